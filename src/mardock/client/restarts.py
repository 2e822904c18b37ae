"""Restarts: workers that died, told by their pid: TorchServe starts another process in their place."""

from __future__ import annotations

import time
from collections import deque

from mardock.client.model_status import ModelStatus, WorkerStatus

TOO_MANY = 5
WITHIN_S = 60.0


class Restarts:
    """Follows the workers of one version from one look to the next.

    TorchServe says UNLOADING for a worker that starts and for one that keeps dying; a changed pid is the death of the
    one before.
    """

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}
        self._times: deque[float] = deque(maxlen=TOO_MANY)

    def look(self, status: ModelStatus) -> list[WorkerStatus]:
        """Take a look at the version and return the workers that were replaced since the last one."""
        replaced = [
            worker
            for worker in status.workers
            if worker.pid > 0 and self._pids.setdefault(worker.id, worker.pid) != worker.pid
        ]
        self._pids.update((worker.id, worker.pid) for worker in replaced)
        self._times.extend([time.monotonic()] * len(replaced))
        return replaced

    @property
    def too_many(self) -> bool:
        """Whether its workers died too often of late."""
        return len(self._times) == TOO_MANY and time.monotonic() - self._times[0] <= WITHIN_S
