"""Crash loops: a worker that keeps dying, recognised and told with its cause."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Optional

from mardock.client.model_status import ModelStatus
from mardock.engines.base import Engine
from mardock.errors import EngineError, WorkerFailedError
from mardock.handler import failures

DEATHS = 5
WITHIN_S = 60.0
RECENT_LINES = 2000


def find(engine: Engine, status: ModelStatus, sources: Mapping[str, str]) -> Optional[WorkerFailedError]:
    """Tell why a version whose workers are not READY has none, when the server's log says that they keep dying.

    Args:
        sources: the project's path of each Python member, for tracebacks.
    """
    if status.ready:
        return None
    try:
        lines = list(engine.logs(follow=False, tail=RECENT_LINES))
    except EngineError:  # without its log there is nothing to tell
        return None
    if not failures.keeps_dying(lines, status.name, status.version):
        return None
    return cause(lines, status, sources)


def cause(lines: list[str], status: ModelStatus, sources: Mapping[str, str]) -> WorkerFailedError:
    """Return an error that says what the last worker of a version died of."""
    failure = failures.find(lines, status.name, status.version, sources)
    name = f"model {status.name} {status.version}"
    if failure is None:
        said = failures.last_words(lines, status.name, status.version)
        return WorkerFailedError(
            f"{name}: its worker keeps dying, without an exception",
            details=said or None,
            hint=f"read what it said last: mardock logs {status.name}",
        )
    return WorkerFailedError(
        f"{name}: its worker keeps dying: {failure.summary}", details=failure.traceback or None, hint=failure.hint
    )


class Deaths:
    """Counts how often the workers of one version were replaced, from one look to the next."""

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}
        self._times: deque[float] = deque(maxlen=DEATHS)

    def too_many(self, status: ModelStatus) -> bool:
        """Take a look at the version and say whether its workers died too often of late."""
        now = time.monotonic()
        for worker in status.workers:
            if worker.pid > 0 and self._pids.setdefault(worker.id, worker.pid) != worker.pid:
                self._pids[worker.id] = worker.pid
                self._times.append(now)
        return len(self._times) == DEATHS and now - self._times[0] <= WITHIN_S
