"""The lock that lets one debug session at a time have a model."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mardock.errors import ConfigError


@contextmanager
def session_lock(state: Path, model: str) -> Iterator[None]:
    """Hold a model's lock; the kernel lets go of it when its holder dies, however it dies.

    Raises:
        ConfigError: another session holds it.
    """
    state.mkdir(exist_ok=True)
    with (state / f"debug-{model}.lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip()
            raise ConfigError(f"model {model} is being debugged already (pid {owner})", hint=f"kill {owner}") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
