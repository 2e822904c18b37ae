"""The project's locks: one command at a time starts or stops its server, one registers its models."""

from __future__ import annotations

import fcntl
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mardock import ownership, place
from mardock.errors import EngineError

_POLL_S = 0.05


@contextmanager
def project_lock(
    state: Path, *, timeout: float, name: str = "lock", doing: str = "starting or stopping this project's server"
) -> Iterator[None]:
    """Hold the file `name` in `state`; the kernel lets go of it when its holder dies, however it dies.

    Args:
        state: the project's state folder, or its model store; made when it is not there.
        timeout: seconds to wait for another holder.
        doing: what its holders are at, for the error's message.

    Raises:
        EngineError: another command still holds it then (it is named), or the folder cannot be written.
    """
    deadline = time.monotonic() + timeout
    with open_lock(state, name) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    file.seek(0)
                    owner = place.told_here(file.read().strip()) or "unknown"
                    raise EngineError(
                        f"another mardock command (pid {owner}) is {doing}",
                        hint=f"wait for it, or end it: kill {owner}",
                    ) from error
            time.sleep(_POLL_S)
        file.truncate(0)
        file.write(place.this_process())
        file.flush()
        yield


def open_lock(state: Path, name: str) -> TextIO:
    """Open the file of a lock for its holder to write its pid into.

    Args:
        state: the project's state folder; made when it is not there.

    Raises:
        EngineError: it cannot be written.
    """
    path = state / name
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")
        ownership.adopt([state, path])
    except OSError as error:
        there = next(place for place in (path, *path.parents) if place.exists())
        raise EngineError(
            f"cannot write {path}: {error.strerror} ({there.name} belongs to uid {there.stat().st_uid})",
            hint=f"sudo chown -R $(id -u):$(id -g) {shlex.quote(str(state if state.exists() else there))}",
        ) from error
    return file
