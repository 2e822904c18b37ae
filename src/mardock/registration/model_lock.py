"""One development session per model: a second watch would retire the versions of the first, of a debugger or tuner."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from mardock import place
from mardock.engines.project_lock import open_lock
from mardock.errors import ConfigError


@contextmanager
def model_lock(state: Path, model: str, being: Literal["watched", "debugged", "tuned"]) -> Iterator[None]:
    """Hold `state`/model-<model>.lock; the kernel lets go of it when its holder dies, however it dies.

    Args:
        state: the project's state folder; made when it is not there.
        being: what the holder does with the model.

    Raises:
        ConfigError: another process watches, debugs or tunes this model.
        EngineError: the folder cannot be written.
    """
    with open_lock(state, f"model-{model}.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            doing, _, owner = file.read().partition(" ")
            owner = place.told_here(owner) or "unknown"
            raise ConfigError(
                f"model {model} is {doing or 'in use'} already, by pid {owner}", hint=f"end that first: kill {owner}"
            ) from error
        file.truncate(0)
        file.write(f"{being} {place.this_process()}")
        file.flush()
        yield
