"""Temporary folders inside a project: gone with their job, and swept by the next one when a job was killed."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from mardock import locks, own_folders


@contextlib.contextmanager
def temp_folder(state: Path, prefix: str) -> Iterator[Path]:
    """Yield an empty folder of the project, whose files can be hard links there.

    Its owner holds a lock on it, which the kernel lets go of when the owner dies, however it dies. Where this user may
    not write to the project, as in the dev container of one that belongs to root, the folder is the system's.

    Args:
        state: `Project.state`, made if need be.
        prefix: of the folder's name, the kind of job's own.
    """
    parent = _writable(state)
    with contextlib.ExitStack() as stack:
        alone = locks.attempt(parent, timeout=math.inf, make=False) if parent else contextlib.nullcontext()
        with alone:  # nobody sweeps a new one
            if parent:
                _sweep(parent, prefix)
            made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=parent)))
            stack.enter_context(locks.attempt(made, make=False))
        yield made.resolve()


def _writable(state: Path) -> Optional[Path]:
    with contextlib.suppress(OSError):
        own_folders.make(state)
        if os.access(state, os.W_OK):
            return state.resolve()
    return None


def _sweep(parent: Path, prefix: str) -> None:
    for left in parent.glob(f"{prefix}*"):
        # An error: it is another user's, as one of the dev container's root is.
        with contextlib.suppress(OSError), locks.attempt(left, make=False) as orphan:
            if orphan is not None:
                shutil.rmtree(left, ignore_errors=True)
