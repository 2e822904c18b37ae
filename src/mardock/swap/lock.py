"""One watch per model: a second one would retire the first one's versions."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mardock.errors import ConfigError


@contextmanager
def watch_lock(state: Path, model: str) -> Iterator[None]:
    """Hold `state`/watch-<model>.lock; the kernel lets go of it when its holder dies, however it dies.

    Args:
        state: the project's state folder; made when it is not there.

    Raises:
        ConfigError: another process watches this model, or the folder cannot be written.
    """
    path = state / f"watch-{model}.lock"
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", hint=f"ls -ld {state}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise ConfigError(f"model {model} is watched already, by pid {owner}", hint=f"kill {owner}") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
