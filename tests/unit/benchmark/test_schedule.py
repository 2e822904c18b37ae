"""Schedules: which requests are due when, and how many were never sent."""

from __future__ import annotations

from mardock.benchmark.schedule import SECOND, ClosedLoop, OpenLoop

MS = SECOND // 1000


def test_an_open_loop_hands_out_each_moment_once_it_has_come() -> None:
    loop = OpenLoop(100, start=0)

    assert loop.take(0) == 0
    assert loop.take(9 * MS) is None
    assert loop.wait(9 * MS) == MS
    assert loop.take(10 * MS) == 10 * MS


def test_a_late_request_keeps_the_moment_it_was_meant_for() -> None:
    loop = OpenLoop(100, start=0)

    assert [loop.take(35 * MS) for _ in range(5)] == [0, 10 * MS, 20 * MS, 30 * MS, None]


def test_what_was_due_and_not_taken_is_overdue() -> None:
    loop = OpenLoop(100, start=0)
    loop.take(0)

    assert loop.overdue(10 * MS) == 0
    assert loop.overdue(10 * MS + 1) == 1
    assert loop.overdue(SECOND) == 99


def test_a_rate_that_divides_no_second_does_not_drift() -> None:
    loop = OpenLoop(3, start=0)

    moments = [loop.take(SECOND * 1000) for _ in range(3001)]

    assert moments[3000] == 1000 * SECOND


def test_a_closed_loop_is_always_due_and_never_overdue() -> None:
    loop = ClosedLoop()

    assert loop.take(7) == 7
    assert (loop.wait(7), loop.overdue(9)) == (None, 0)
