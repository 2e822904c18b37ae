"""What is said of a model whose workers do not fit the cores."""

from __future__ import annotations

from typing import Optional

import pytest

from mardock.cli.show.thread_notes import notes
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
    found = notes(threads, "m", workers, configured=configured, asked=configured)
    assert len(found) == (said is not None)
    assert all(said in note for note in found)


def test_workers_that_share_the_cores_need_no_note() -> None:
    assert not notes(FAST, "m", 2, configured=None, asked=None, sharing=2)
    assert not notes(FAST, "m", 16, configured=None, asked=None, sharing=16)
    assert "register m --num-workers 2" in notes(FAST, "m", 2, configured=None, asked=None, sharing=1)[0]
    assert notes(FAST, "m", 2, configured=2, asked=2, sharing=2)


def test_what_mardock_toml_asks_for_counts_from_the_next_start() -> None:
    assert "mardock up" in notes(FAST, "m", 1, configured=None, asked=1)[0]
    assert not notes(Threads(2, 2, {"m": 1}, per_model=True), "m", 2, configured=None, asked=1)
