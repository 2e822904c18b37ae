"""One session per model: a second watch would retire the versions of the first, of a debugger or tuner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Literal, Optional

from mardock import locks
from mardock.errors import ConfigError, MardockError
from mardock.locks import Holder

_REGISTERING: Literal["being registered"] = "being registered"


def session(
    store: Path, model: str, being: Literal["watched", "debugged", "tuned", "being registered"]
) -> AbstractContextManager[None]:
    """Hold a model for a session with it.

    Args:
        store: the server's model store, which the dev container sees too; made when it is not there.
        being: what the holder does with the model.

    Raises:
        ConfigError: another process watches, debugs or tunes this model.
        EngineError: the store cannot be written.
    """

    def refused(holder: Holder) -> ConfigError:
        message = f"model {model} is {holder.doing} already, by pid {holder.process}"
        return ConfigError(message, hint=f"end that first: kill {holder.process}")

    return locks.hold(store / f".{model}.session.lock", doing=being, refused=refused)


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
                stack.enter_context(session(store, model, _REGISTERING))
            except MardockError:
                alone = False
        yield alone
