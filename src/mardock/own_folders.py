"""Folders mardock makes in a project for itself: each ignores itself, so git sees nothing of what is left there.

A folder that was there before is its owner's, whatever mardock writes into it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mardock import ownership

STATE = ".mardock"
"""The folder of what engines run and commands are at, in every project."""

_IGNORE = ".gitignore"
_ALL = b"*\n"


def make(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder with those above it, unless it is there; `.mardock`, or the first one made, ignores itself.

    Args:
        mode: of the folder itself.

    Raises:
        OSError: it cannot be made.
    """
    made = [path for path in (*reversed(folder.parents), folder) if not path.exists()]
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    states = [path for path in (folder, *folder.parents) if path.name == STATE]
    for own in states[:1] or made[:1]:
        made += _ignored(own)
    with suppress(OSError):
        ownership.adopt(made)


def _ignored(folder: Path) -> list[Path]:
    """Have git ignore a folder, and return the file that was made for it; one that cannot be made is done without."""
    file = folder / _IGNORE
    try:
        with file.open("xb") as made:
            made.write(_ALL)
    except OSError:
        return []
    return [file]
