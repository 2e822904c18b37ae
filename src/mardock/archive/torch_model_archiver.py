"""The one door to torch-model-archiver's package: its handler names and its manifest."""

from __future__ import annotations

import importlib
import json
from types import ModuleType
from typing import Any, Optional

from mardock import extras
from mardock.errors import ArchiveError


def default_handlers() -> tuple[str, ...]:
    """The names of the handlers TorchServe brings itself, e.g. `image_classifier`.

    Raises:
        ArchiveError: torch-model-archiver is not installed.
    """
    return tuple(_package("model_packaging_utils").model_handlers)


def manifest(**fields: Optional[str]) -> dict[str, Any]:
    """The manifest torch-model-archiver writes for its own arguments (`model_name`, `handler`, `version`, …).

    Raises:
        ArchiveError: torch-model-archiver is not installed.
    """
    config = _package("model_archiver_config").ModelArchiverConfig(**fields)
    text: str = _package("model_packaging_utils").ModelExportUtils.generate_manifest_json(config)
    made: dict[str, Any] = json.loads(text)
    return made


def _package(module: str) -> ModuleType:
    try:
        return importlib.import_module(f"model_archiver.{module}")
    except ImportError as error:
        raise ArchiveError("torch-model-archiver is not installed", hint=extras.how_to_add("watch")) from error
