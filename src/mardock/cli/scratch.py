"""Scratch folders of a project's commands: gone at their end, and swept by the next one when a command was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock import ownership

if TYPE_CHECKING:
    from mardock.settings.project import Project


@contextlib.contextmanager
def folder(project: Project, prefix: str) -> Iterator[Path]:
    """Yield an empty folder of the project, whose files can be hard links there; `prefix` is the command's own.

    Its owner holds a lock on it, which the kernel lets go of when the owner dies, however it dies. Where this user may
    not write to the project, as in the dev container of one that belongs to root, the folder is the system's.
    """
    parent = _state(project)
    with contextlib.ExitStack() as stack:
        with _locked(parent, fcntl.LOCK_EX) if parent else contextlib.nullcontext():  # nobody sweeps a new one
            if parent:
                _sweep(parent, prefix)
            made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=parent)))
            stack.enter_context(_locked(made, fcntl.LOCK_EX))
        yield made.resolve()


def _state(project: Project) -> Optional[Path]:
    with contextlib.suppress(OSError):
        project.state.mkdir(exist_ok=True)
        ownership.adopt([project.state])
        if os.access(project.state, os.W_OK):
            return project.state
    return None


def _sweep(parent: Path, prefix: str) -> None:
    for left in parent.glob(f"{prefix}*"):
        with contextlib.suppress(BlockingIOError), _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):  # its owner lives
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
