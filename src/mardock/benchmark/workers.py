"""Scale a model for a measurement, and put it back as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, Optional

from mardock.client.management import ManagementClient
from mardock.endpoint import Endpoint
from mardock.errors import EngineNotRunningError, WorkerFailedError
from mardock.listener import Listener

_POLL_S = 0.05
_LEAVE_S = 60.0


@contextmanager
def scaled(
    endpoint: Endpoint, model: str, version: Optional[str], listener: Listener
) -> Iterator[Callable[[int], None]]:
    """Yield a function that gives the model a number of workers; at the end it has as many as before, come what may.

    Args:
        version: the default version when None.
        listener: is told when the server is gone, and the workers with it.

    Raises:
        MardockError: of ManagementClient's `describe` and `scale`.
    """
    with ManagementClient(endpoint) as client:
        before = client.describe(model, version)[0] if version else client.describe_default(model)
        try:
            yield lambda workers: _scale(client, model, before.version, workers, workers)
        finally:
            try:
                _scale(client, model, before.version, before.min_workers, before.max_workers)
            except EngineNotRunningError:
                listener.note(f"the server is gone, and the workers of {model} with it")


def _scale(client: ManagementClient, model: str, version: str, fewest: int, most: int) -> None:
    """Scale and wait: for new workers to be READY, and for those to leave that are too many."""
    client.scale(model, fewest, most, version)
    deadline = time.monotonic() + _LEAVE_S
    while len(client.describe(model, version)[0].workers) > most:
        if time.monotonic() > deadline:
            raise WorkerFailedError(
                f"{model} still has more than {most} workers after {_LEAVE_S:g} s",
                hint=f"mardock models describe {model}",
            )
        time.sleep(_POLL_S)
