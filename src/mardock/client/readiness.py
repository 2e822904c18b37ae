"""Truthful readiness: wait for READY workers, and know when waiting cannot help."""

from __future__ import annotations

import time
from collections.abc import Callable

from mardock.client.model_status import ModelStatus
from mardock.client.restarts import Restarts
from mardock.errors import WorkerFailedError


def wait_until_ready(
    look: Callable[[], ModelStatus], *, workers: int, timeout: float, poll: float = 0.05
) -> ModelStatus:
    """Look at a model until that many of its workers are READY.

    Args:
        timeout: seconds to wait.
        poll: seconds between two looks.

    Raises:
        WorkerFailedError: a worker died while it started, there are fewer workers than wanted, or time is up.
    """
    deadline = time.monotonic() + timeout
    restarts = Restarts()
    while True:
        status = look()
        if status.ready_workers >= workers:
            return status
        if status.max_workers < workers:
            raise _not_ready(status, workers, f"it is scaled to {status.max_workers}")
        for worker in restarts.look(status):
            raise _not_ready(status, workers, f"worker {worker.id} died while it started")
        if time.monotonic() >= deadline:
            raise _not_ready(status, workers, f"{timeout:g} s are over")
        time.sleep(poll)


def _not_ready(status: ModelStatus, workers: int, why: str) -> WorkerFailedError:
    return WorkerFailedError(
        f"model {status.name} {status.version} has {status.ready_workers} of {workers} workers READY: {why}",
        hint="read the handler's traceback: mardock logs",
    )
