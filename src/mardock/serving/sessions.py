"""One development session per model: a second watch would retire the versions of the first, of a debugger or tuner."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, Optional

from mardock import place
from mardock.engines.project_lock import open_lock
from mardock.errors import ConfigError, MardockError


@contextmanager
def nobody_in(store: Optional[Path], model: str) -> Iterator[bool]:
    """Say whether nobody is in a session with a model, and let nobody begin one inside the block.

    Args:
        store: the server's model store; None where nobody can tell.
    """
    with ExitStack() as stack:
        alone = store is not None
        if store is not None:
            try:
                stack.enter_context(session(store, model, "being registered"))
            except MardockError:
                alone = False
        yield alone


@contextmanager
def session(
    store: Path, model: str, being: Literal["watched", "debugged", "tuned", "being registered"]
) -> Iterator[None]:
    """Hold `.<model>.session.lock`; the kernel lets go of it when its holder dies, however it dies.

    Args:
        store: the server's model store, which the dev container sees too; made when it is not there.
        being: what the holder does with the model.

    Raises:
        ConfigError: another process watches, debugs or tunes this model.
        EngineError: the folder cannot be written.
    """
    with open_lock(store, f".{model}.session.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            doing, _, owner = file.read().partition("\n")
            owner = place.told_here(owner) or "unknown"
            raise ConfigError(
                f"model {model} is {doing or 'in use'} already, by pid {owner}", hint=f"end that first: kill {owner}"
            ) from error
        file.truncate(0)
        file.write(f"{being}\n{place.this_process()}")
        file.flush()
        yield
