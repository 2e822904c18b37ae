"""Whether an archive holds what one made of the project's files would hold now."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock.archive.contents import Contents, of_archive, of_project
from mardock.archive.diff import compare
from mardock.archive.members import MANIFEST_NAME
from mardock.compile.saving import REPORT_NAME, sha256

if TYPE_CHECKING:
    from mardock.archive.read import ModelArchive
    from mardock.archive.spec import ArchiveSpec


def outdated(spec: ArchiveSpec, root: Path, archive: ModelArchive, *, touched_only: bool = False) -> tuple[str, ...]:
    """Return the members, fields of the manifest and sources that are not those of the project's files, none if fresh.

    Its version is the archive's own affair, and so is its date. Of one that was compiled, the files it was compiled
    from are compared, by the digests that its report has of them.

    Args:
        touched_only: take files of the same size that were not touched since the archive was written for the same,
            which spares reading the weights.

    Raises:
        ConfigError: a file it is made of is missing.
        ArchiveError: torch-model-archiver, which names TorchServe's own handlers, is not installed.
    """
    spec = dataclasses.replace(spec, version=archive.version)
    held = of_archive(archive.path)
    report = _compile_report(held)
    since = _written(archive.path) if touched_only else None
    if report is not None:
        return _outdated_compiled(spec, root, held, report, since)
    same = _untouched(spec, root, archive, since) if since is not None else frozenset()
    found = compare(_without(held, same), _without(of_project(spec, root), same))
    return (*found.manifest, *found.removed, *found.added, *(change.name for change in found.changed))


def _outdated_compiled(
    spec: ArchiveSpec, root: Path, held: Contents, report: Mapping[str, Any], since: Optional[int]
) -> tuple[str, ...]:
    """Compare what was archived as it is, and the sources of what was not."""
    now = of_project(dataclasses.replace(spec, model_file=None, serialized_file=None), root)
    made = {REPORT_NAME, held.manifest["model"].get("serializedFile")}
    if str(held.manifest["model"].get("serializedFile")).endswith(".so"):
        made.add(held.manifest["model"].get("configFile"))  # archived with what loads a library added to it
    names = sorted({*held.members, *now.members} - made)
    changed = [name for name in names if _digest(held, name) != _digest(now, name)]
    sources = [
        path
        for path, digest in report["sources"].items()
        if not _is_older(root / path, since) and _file_digest(root / path) != digest
    ]
    return (*changed, *sources)


def _compile_report(held: Contents) -> Optional[Mapping[str, Any]]:
    """Return the report of `mardock compile` that a compiled archive holds."""
    if REPORT_NAME not in held.members:
        return None
    try:
        report = json.loads(b"".join(held.chunks(REPORT_NAME)))
    except ValueError:
        return None
    return report if isinstance(report, dict) and isinstance(report.get("sources"), dict) else None


def _digest(contents: Contents, name: str) -> Optional[str]:
    return contents.digest(name) if name in contents.members else None


def _file_digest(path: Path) -> Optional[str]:
    return sha256(path) if path.is_file() else None


def _written(path: Path) -> int:
    return (path / MANIFEST_NAME if path.is_dir() else path).stat().st_mtime_ns


def _untouched(spec: ArchiveSpec, root: Path, archive: ModelArchive, since: int) -> frozenset[str]:
    """Return the members that need no reading."""
    sizes = {member.name: member.size for member in archive.members}
    return frozenset(
        source.name
        for source in spec.resolve(root)
        if source.content is None
        and sizes.get(source.name) == source.path.stat().st_size
        and _is_older(source.path, since)
    )


def _is_older(path: Path, since: Optional[int]) -> bool:
    """Say whether a file was neither written nor put in place since then."""
    if since is None or not path.is_file():
        return False
    found = path.stat()
    return max(found.st_mtime_ns, found.st_ctime_ns) < since


def _without(contents: Contents, names: frozenset[str]) -> Contents:
    kept = {name: opener for name, opener in contents.members.items() if name not in names}
    return dataclasses.replace(contents, members=kept)
