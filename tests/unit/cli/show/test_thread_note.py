"""What is said of a model whose workers do not fit the cores."""

from __future__ import annotations

from typing import Optional

import pytest

from mardock.cli.show.thread_note import sentence
from mardock.engines.threads import Threads

FAST = Threads(2, 2, {}, per_model=True)
PLAIN = Threads(2, 2)


@pytest.mark.parametrize(
    ("threads", "workers", "configured", "said"),
    [
        (FAST, 1, None, None),
        (FAST, 2, 1, None),
        (FAST, 2, None, "threadsPerWorker: 1"),
        (PLAIN, 2, None, "MARDOCK_THREADS_PER_WORKER=1"),
        (FAST, 4, 1, None),
        (PLAIN, 2, 1, "MARDOCK_FAST_WORKERS=true"),
    ],
)
def test_each_note_brings_its_mend(threads: Threads, workers: int, configured: Optional[int], said: str) -> None:
    found = threads.note("m", workers, configured=configured, listed=None)
    assert (found is not None) == (said is not None)
    assert found is None or said in sentence(found)


def test_workers_that_share_the_cores_need_no_note() -> None:
    assert FAST.note("m", 2, configured=None, listed=None, sharing=2) is None
    assert FAST.note("m", 16, configured=None, listed=None, sharing=16) is None
    kept = FAST.note("m", 2, configured=None, listed=None, sharing=1)
    assert kept is not None
    assert "register m --num-workers 2" in sentence(kept)
    assert FAST.note("m", 2, configured=2, listed=None, sharing=2) is not None


def test_what_mardock_toml_asks_for_counts_from_the_next_start() -> None:
    unheeded = FAST.note("m", 1, configured=None, listed=1)
    assert unheeded is not None
    assert "mardock up" in sentence(unheeded)
    assert Threads(2, 2, {"m": 1}, per_model=True).note("m", 2, configured=None, listed=1) is None
