"""A worker that keeps dying is told from one that died once."""

from __future__ import annotations

from mardock.client.model_status import ModelStatus, WorkerStatus
from mardock.swap.crash_loop import DEATHS, Deaths


def status(pid: int) -> ModelStatus:
    worker = WorkerStatus(id="9000", status="READY", pid=pid, memory_bytes=0, gpu=False)
    return ModelStatus("digits", "1.0", "digits.mar", "python", 1, 1, 1, 100, 120, 120, 0, (worker,))


def test_only_many_deaths_are_too_many() -> None:
    deaths = Deaths()
    seen = [deaths.too_many(status(pid)) for pid in range(100, 101 + DEATHS)]
    assert seen == [False] * DEATHS + [True]


def test_a_worker_that_stays_dies_never() -> None:
    deaths = Deaths()
    assert not any(deaths.too_many(status(100)) for _ in range(2 * DEATHS))
