"""The software bill of materials of an archive, as CycloneDX JSON: its files, its weights, what it asks pip for.

Importing this module takes the extra `sbom`.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement

from mardock import __version__, text_files
from mardock.archive import checkpoint
from mardock.archive.contents import Contents, of_archive
from mardock.archive.manifest import build_time, handler_member
from mardock.archive.read import ModelArchive, read

SUFFIX = ".cdx.json"
"""What the standard asks a JSON document's name to end in."""

_ROLES = {
    "serializedFile": "serialized file",
    "modelFile": "model file",
    "requirementsFile": "requirements file",
    "configFile": "config file",
}
_CREDENTIALS = re.compile(r"//[^/@\s]+@")


def render(path: Path, environment: Mapping[str, str]) -> str:
    """Return the CycloneDX 1.6 document of an archive; the same archive gives the same text.

    Args:
        environment: packages of this Python that the archive was made for, by name, with their versions; those the
            archive's own requirements name are left to these.

    Raises:
        ArchiveError: it is unsound; see `mardock.archive.read.read`.
    """
    archive, contents = read(path, verify=False), of_archive(path)
    model = _model(archive)
    parts = [*_files(contents), *_packages(contents, environment)]
    tool = Component(name="mardock", version=__version__, type=ComponentType.APPLICATION)
    bom = Bom(
        components=parts,
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, archive.sha256),
        metadata=BomMetaData(component=model, timestamp=_made(path), tools=ToolRepository(components=[tool])),
    )
    bom.register_dependency(model, parts)
    text: str = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return text + "\n"


def _made(path: Path) -> datetime:
    """Return when the archive was written, or what stands for it in a reproducible build."""
    if os.environ.get("SOURCE_DATE_EPOCH"):
        return build_time()
    return datetime.fromtimestamp(int(path.stat().st_mtime), tz=timezone.utc)


def _model(archive: ModelArchive) -> Component:
    described = archive.manifest["model"]
    return Component(
        name=archive.name,
        version=archive.version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{archive.name}@{archive.version}",
        hashes=[_sha256(archive.sha256)],
        properties=_properties(handler=described["handler"], runtime=archive.manifest["runtime"]),
    )


def _files(contents: Contents) -> Iterator[Component]:
    described = contents.manifest["model"]
    roles = {described[field]: role for field, role in _ROLES.items() if described.get(field)}
    roles[handler_member(described)] = "handler"
    for name in contents.members:
        yield Component(
            name=name,
            type=ComponentType.FILE,
            bom_ref=f"file:{name}",
            hashes=[_sha256(contents.digest(name))],
            properties=_properties(role=roles.get(name, "extra file"), **_weights(contents, name)),
        )


def _weights(contents: Contents, name: str) -> dict[str, str]:
    if not name.endswith(checkpoint.SUFFIXES):
        return {}
    with contents.members[name]() as file:
        found = checkpoint.look(file)
    if found is None:
        return {}
    told = {"format": found.form, "format_version": found.format_version, "torch_version": found.torch_version}
    return {key: value for key, value in told.items() if value != checkpoint.UNKNOWN}


def _packages(contents: Contents, environment: Mapping[str, str]) -> Iterator[Component]:
    name = contents.manifest["model"].get("requirementsFile")
    text = text_files.shown(b"".join(contents.chunks(name))) if name else ""
    named = set()
    for line in _requirements(text):
        package = _required(line)
        named.add(_normalized(package.name))
        yield package
    for package_name, version in environment.items():
        if _normalized(package_name) not in named:
            yield _package(package_name, version, source="environment")


def _requirements(text: str) -> Iterator[str]:
    """Yield what is asked for, once each; pip's options (`--index-url`, `-r`, `--hash`) are no packages."""
    seen = set()
    for line in text.replace("\\\n", " ").splitlines():
        asked = re.split(r"(?:^|\s)#|\s--?[a-z]", line)[0].strip()
        if asked and not asked.startswith("-") and asked not in seen:
            seen.add(asked)
            yield asked


def _required(line: str) -> Component:
    """Return the package of a line: with its version when it is pinned, else with the range it may be from."""
    line = _CREDENTIALS.sub("//", line)
    try:
        asked = Requirement(line)
    except InvalidRequirement:  # a path or an address
        return Component(name=line, bom_ref=f"requirement:{line}", properties=_properties(source="requirements"))
    pins = [one.version for one in asked.specifier if one.operator in ("==", "===") and "*" not in one.version]
    version = pins[0] if len(asked.specifier) == len(pins) == 1 else None
    return _package(asked.name, version, source="requirements", requirement=line)


def _package(name: str, version: Optional[str], **told: str) -> Component:
    purl = PackageURL("pypi", name=_normalized(name), version=version)
    reference = told.get("requirement", str(purl))
    return Component(name=name, version=version, purl=purl, bom_ref=reference, properties=_properties(**told))


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _properties(**told: str) -> Iterable[Property]:
    return [Property(name=f"mardock:{key}", value=value) for key, value in told.items()]
