"""Waiting for workers: it ends when they are READY, and as soon as waiting cannot help."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mardock.client.model_status import ModelStatus, WorkerStatus
from mardock.client.readiness import wait_until_ready
from mardock.errors import WorkerFailedError


def model(*workers: tuple[str, int], max_workers: int = 2) -> ModelStatus:
    return ModelStatus(
        name="mnist",
        version="1.0",
        url="mnist.mar",
        runtime="python",
        min_workers=max_workers,
        max_workers=max_workers,
        batch_size=1,
        max_batch_delay_ms=100,
        response_timeout_s=120,
        startup_timeout_s=120,
        pending_requests=0,
        workers=tuple(
            WorkerStatus(id=str(9000 + number), status=status, pid=pid, memory_bytes=0, gpu=False)
            for number, (status, pid) in enumerate(workers)
        ),
    )


def looks(*statuses: ModelStatus) -> Callable[[], ModelStatus]:
    return iter(statuses).__next__


def test_it_returns_once_enough_workers_are_ready() -> None:
    done = model(("READY", 1), ("READY", 2))
    look = looks(
        model(("UNLOADING", -1), ("UNLOADING", -1)),
        model(("UNLOADING", 1), ("UNLOADING", 2)),
        model(("READY", 1), ("UNLOADING", 2)),
        done,
    )

    assert wait_until_ready(look, workers=2, timeout=60, poll=0) is done


def test_a_worker_with_a_new_process_has_died() -> None:
    look = looks(model(("UNLOADING", -1)), model(("UNLOADING", 1)), model(("UNLOADING", 2)))

    with pytest.raises(WorkerFailedError, match="worker 9000 died"):
        wait_until_ready(look, workers=1, timeout=60, poll=0)


def test_workers_beyond_the_maximum_never_come() -> None:
    with pytest.raises(WorkerFailedError, match="1 of 2 workers READY: it is scaled to 1"):
        wait_until_ready(looks(model(("READY", 1), max_workers=1)), workers=2, timeout=60, poll=0)


def test_time_runs_out_with_the_count() -> None:
    with pytest.raises(WorkerFailedError, match="0 of 1 workers READY: 0 s are over"):
        wait_until_ready(looks(model(("UNLOADING", 1))), workers=1, timeout=0, poll=0)
