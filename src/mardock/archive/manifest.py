"""The manifest of an archive: made by torch-model-archiver's own code, and the fields TorchServe insists on."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any

from mardock.archive import torch_model_archiver
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ArchiveError, ConfigError

_ZIP_EPOCH = datetime(1980, 1, 1, tzinfo=timezone.utc)
_ZIP_END = datetime(2107, 12, 31, tzinfo=timezone.utc)
_REQUIRED = ("modelName", "modelVersion", "handler")
_FILES = ("serializedFile", "modelFile", "requirementsFile", "configFile")


def build_time() -> datetime:
    """The one date inside an archive, in UTC: `SOURCE_DATE_EPOCH`, else 1980-01-01, the first a zip can hold.

    The clock is not asked, so that the same inputs give the same bytes.

    Raises:
        ConfigError: SOURCE_DATE_EPOCH is no number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return _ZIP_EPOCH
    try:
        moment = datetime.fromtimestamp(int(text), tz=timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigError(f"SOURCE_DATE_EPOCH={text!r} is no number of seconds since 1970") from error
    return min(max(moment, _ZIP_EPOCH), _ZIP_END)


def render(spec: ArchiveSpec) -> bytes:
    """The text of `MAR-INF/MANIFEST.json` for `spec`, as torch-model-archiver writes it but for the date."""
    manifest = torch_model_archiver.manifest(
        model_name=spec.model_name,
        handler=":".join(filter(None, (spec.handler_file or spec.handler, spec.handler_function))),
        version=spec.version,
        serialized_file=spec.serialized_file,
        model_file=spec.model_file,
        runtime=spec.runtime,
        requirements_file=spec.requirements_file,
        config_file=spec.config_file,
    )
    if spec.handler_member and "/" in spec.handler_member:  # in a package, which torch-model-archiver knows nothing of
        manifest["model"]["handler"] = ":".join(filter(None, (spec.handler_module, spec.handler_function)))
    manifest["createdOn"] = build_time().strftime("%d/%m/%Y %H:%M:%S")
    return json.dumps(manifest, indent=2).encode()


def parse(text: bytes, members: Collection[str]) -> dict[str, Any]:
    """The manifest in `text`, after every field TorchServe reads was checked against `members`.

    Raises:
        ArchiveError: it is empty, no JSON object, or lacks a field; the field is named.
    """
    try:
        manifest: Any = json.loads(text)
    except ValueError as error:
        raise ArchiveError(f"the manifest is {'not JSON: ' + str(error) if text.strip() else 'empty'}") from error
    model = manifest.get("model") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or not isinstance(model, dict):
        raise ArchiveError("the manifest has no object 'model'")
    if manifest.get("runtime") not in ("python", "python3", "LSP"):
        raise ArchiveError(f"the manifest's field 'runtime' is {manifest.get('runtime')!r}, not 'python'")
    for field in _REQUIRED:
        if not isinstance(model.get(field), str) or not model[field]:
            raise ArchiveError(f"the manifest's field 'model.{field}' is missing or no text")
    for field in _FILES:
        if model.get(field) and model[field] not in members:
            raise ArchiveError(
                f"the manifest's field 'model.{field}' names {model[field]!r}, which is not in the archive"
            )
    handler = handler_member(model)
    if handler.endswith(".py") and handler not in members:
        raise ArchiveError(f"the manifest's field 'model.handler' names {handler!r}, which is not in the archive")
    return manifest


def handler_member(model: Mapping[str, Any]) -> str:
    """Return the member that the handler of a manifest's `model` is: a module of a package by its path.

    One of TorchServe's own handlers, which is no member, keeps its name.
    """
    module = str(model["handler"]).partition(":")[0]
    return module if module.endswith(".py") or "." not in module else f"{module.replace('.', '/')}.py"
