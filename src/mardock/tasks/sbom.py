"""An archive's software bill of materials: written beside it, or printed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mardock import extras, ownership
from mardock.errors import ArchiveError

if TYPE_CHECKING:
    from mardock.interpreter import Interpreter

_SERVED_BY = ("torch", "torchserve")


def check_extra() -> None:
    """Ask for what an SBOM takes, before any work is done.

    Raises:
        ArchiveError: the extra `sbom` is not installed.
    """
    _renderer()


def write(archive: Path, python: Interpreter) -> Path:
    """Write the SBOM of an archive just made beside it, e.g. `mnist.cdx.json`, and return its path.

    It names the torch and TorchServe of that Python, which the model was made with.

    Raises:
        ArchiveError: the archive is unsound, or the file cannot be written.
    """
    renderer = _renderer()
    target = archive.with_suffix(renderer.SUFFIX)
    text: str = renderer.render(archive, python.versions(_SERVED_BY))
    try:
        ownership.replace(target, text.encode("utf-8"))
    except OSError as error:
        raise ArchiveError(f"cannot write {target}: {error.strerror}", hint=f"ls -ld {target.parent}") from error
    return target


def text(archive: Path) -> str:
    """Return the SBOM of any archive: what made it is not known.

    Raises:
        ArchiveError: it is unsound, or the extra `sbom` is not installed.
    """
    rendered: str = _renderer().render(archive, {})
    return rendered


def _renderer() -> Any:
    try:
        return import_module("mardock.archive.sbom")
    except ImportError as error:
        raise ArchiveError(
            "a bill of materials needs cyclonedx-python-lib, not installed here", hint=extras.how_to_add("sbom")
        ) from error
