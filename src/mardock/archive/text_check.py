"""The text files of a model, read as they are once it is served: the requirements by pip, the others by a worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from mardock import text_files
from mardock.archive.members import SourceFile
from mardock.archive.spec import ArchiveSpec
from mardock.errors import ArchiveError

LABELS = "index_to_name.json"
"""What TorchServe's own handlers, and those derived from them, name classes by."""


def check(spec: ArchiveSpec, sources: tuple[SourceFile, ...]) -> None:
    """Check that requirements, configuration and class names can be read where the model is served.

    Raises:
        ArchiveError: one is in an encoding that cannot, or the class names are no JSON; with what mends it.
    """
    paths = {source.name: source.path for source in sources}
    if spec.requirements_file is not None:
        requirements(paths[Path(spec.requirements_file).name], spec.requirements_file)
    if spec.config_file is not None:
        _refuse(text_files.utf8_fault(paths[Path(spec.config_file).name].read_bytes(), spec.config_file))
    if LABELS in paths and _reads_labels(spec, paths):
        _check_labels(paths[LABELS])


def requirements(path: Path, label: str) -> str:
    """Return the text of a requirements file.

    Raises:
        ArchiveError: pip could not read it.
    """
    raw = path.read_bytes()
    try:
        return text_files.as_pip_reads(raw)
    except UnicodeDecodeError as error:
        fault = text_files.utf8_fault(raw, label) or text_files.Fault(f"{label}: {error}", "save the file as UTF-8")
        raise ArchiveError(fault.message, hint=fault.hint) from error


def _reads_labels(spec: ArchiveSpec, paths: Mapping[str, Path]) -> bool:
    """Say whether TorchServe's code reads the class names, which opens the file as plain UTF-8."""
    return spec.handler_file is None or b"torch_handler" in paths[Path(spec.handler_file).name].read_bytes()


def _check_labels(path: Path) -> None:
    raw = path.read_bytes()
    _refuse(text_files.utf8_fault(raw, path.name, mark=False))
    try:
        json.loads(raw)
    except ValueError as error:
        raise ArchiveError(f"{path.name} is not JSON: {error}", hint=f"mend {path.name}") from error


def _refuse(fault: Optional[text_files.Fault]) -> None:
    if fault is not None:
        raise ArchiveError(fault.message, hint=fault.hint)
