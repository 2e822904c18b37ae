"""What another user's command left in a project, e.g. one run with sudo, and keeps this user's from working."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mardock import permissions, place
from mardock.errors import EngineError

if TYPE_CHECKING:
    from mardock.settings.project import Project


def refuse(project: Project) -> None:
    """Refuse files and folders of mardock's and TorchServe's own that this user may not read and write.

    Raises:
        EngineError: naming the first, its owner and the command that mends all; or who started the server that runs.
    """
    if not place.inside():
        from mardock.engines.native import NativeEngine

        if theirs := NativeEngine(project).not_ours():
            raise theirs
    found = {folder: next(filter(permissions.is_barred, paths), None) for folder, paths in _state(project)}
    closed = {folder: path for folder, path in found.items() if path is not None}
    if closed:
        first = next(iter(closed.values()))
        whose = permissions.user(first.lstat().st_uid)
        raise EngineError(f"{first} belongs to {whose} and is closed to you", hint=permissions.chown(closed))


def _state(project: Project) -> Iterator[tuple[Path, Iterator[Path]]]:
    """Yield the folders that are written to, each with what has to be open in it."""
    yield project.state, _all_of(project.state)
    yield project.logs, _all_of(project.logs)
    yield project.model_store, _hidden_in(project.model_store)


def _all_of(folder: Path) -> Iterator[Path]:
    yield folder
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))


def _hidden_in(store: Path) -> Iterator[Path]:
    """Yield the model store and mardock's own in it: archives are put in place anew, and weights are the user's."""
    yield store
    yield from (path for path in store.glob(".*") if path.suffix != ".mar")
