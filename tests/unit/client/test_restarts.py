"""A worker that keeps dying is told from one that died once."""

from __future__ import annotations

from mardock.client.model_status import ModelStatus, WorkerStatus
from mardock.client.restarts import TOO_MANY, Restarts


def status(pid: int) -> ModelStatus:
    worker = WorkerStatus(id="9000", status="READY", pid=pid, memory_bytes=0, gpu=False)
    return ModelStatus("digits", "1.0", "digits.mar", "python", 1, 1, 1, 100, 120, 120, 0, (worker,))


def seen(restarts: Restarts, pid: int) -> bool:
    restarts.look(status(pid))
    return restarts.too_many


def test_only_many_deaths_are_too_many() -> None:
    restarts = Restarts()
    assert [seen(restarts, pid) for pid in range(100, 101 + TOO_MANY)] == [False] * TOO_MANY + [True]


def test_a_worker_that_stays_dies_never() -> None:
    restarts = Restarts()
    assert not any(seen(restarts, 100) for _ in range(2 * TOO_MANY))


def test_a_first_process_and_none_are_no_deaths() -> None:
    restarts = Restarts()
    assert [bool(restarts.look(status(pid))) for pid in (-1, 47, -1, 47, 48, 48)] == [False] * 4 + [True, False]
