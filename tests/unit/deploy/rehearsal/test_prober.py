"""When Kubernetes asks its probes, and what it makes of the answers; on a clock that only the test moves."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.deploy.rehearsal.scenes import Clock

from mardock.deploy.rehearsal.prober import Answer, Ask, Probe, Prober, asker
from mardock.errors import ConfigError

HEALTHY, REFUSED = Answer(200, "Healthy"), Answer(None, "the connection is refused")


def answering(clock: Clock, since: float, *, until: float = 1e9, takes: float = 0) -> tuple[Ask, list[float]]:
    """A server that answers from one moment to another, and when it was asked."""
    asked: list[float] = []

    def ask(path: str, timeout: float) -> Answer:
        asked.append(clock.now)
        clock.sleep(takes)
        return HEALTHY if since <= asked[-1] < until else REFUSED

    return ask, asked


def run(prober: Prober, clock: Clock, seconds: float) -> None:
    while prober.elapsed < seconds and prober.failed is None:
        prober.ask_due()
        clock.sleep(max(prober.next_due, 0.01))


def readiness(**values: Any) -> Probe:
    return Probe("readiness", "/ping", **{"initial_delay": 3, "period": 5, "failure_threshold": 4, **values})


def test_it_asks_from_the_initial_delay_on_once_a_period() -> None:
    clock = Clock()
    ask, asked = answering(clock, since=0)

    run(Prober([readiness()], ask, clock), clock, 20)

    assert asked == pytest.approx([3, 8, 13, 18])


def test_ready_comes_with_the_success_threshold() -> None:
    clock = Clock()
    prober = Prober([readiness(success_threshold=2)], answering(clock, since=7)[0], clock)

    run(prober, clock, 20)

    assert prober.ready_after == pytest.approx(13)


def test_the_failure_threshold_counts_failures_in_a_row() -> None:
    clock = Clock()
    prober = Prober([readiness()], answering(clock, since=10, until=15)[0], clock)

    run(prober, clock, 60)

    assert prober.failed is not None
    assert prober.elapsed == pytest.approx(18 + 15, abs=6)  # 3 and 8 failed, 13 did not, 18 to 33 failed


def test_a_liveness_probe_that_fails_to_its_threshold_restarts() -> None:
    clock = Clock()
    liveness = Probe("liveness", "/ping", initial_delay=1, period=1, failure_threshold=3)
    prober = Prober([liveness, readiness(initial_delay=100)], answering(clock, since=1e9)[0], clock)

    run(prober, clock, 60)

    assert (prober.failed, prober.last) == (liveness, REFUSED)
    assert prober.elapsed == pytest.approx(liveness.window, abs=1)


def test_one_success_short_of_the_threshold_keeps_it_alive() -> None:
    clock = Clock()
    liveness = Probe("liveness", "/ping", initial_delay=0, period=1, failure_threshold=3)
    prober = Prober([liveness], answering(clock, since=2)[0], clock)

    run(prober, clock, 30)

    assert prober.failed is None


def test_turns_that_pass_while_it_is_asked_are_left_out() -> None:
    clock = Clock()
    ask, asked = answering(clock, since=0, takes=7)

    run(Prober([readiness()], ask, clock), clock, 20)

    assert asked == pytest.approx([3, 13])


@pytest.mark.parametrize(("status", "success"), [(200, True), (204, True), (399, True), (400, False), (500, False)])
def test_what_counts_as_success(status: int, success: bool) -> None:
    assert Answer(status).success is success


@pytest.mark.parametrize("key", ["period", "timeout", "success_threshold", "failure_threshold"])
def test_kubernetes_wants_one_or_more(key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} of the readiness probe is 0"):
        readiness(**{key: 0})


def test_nobody_listens(free_socket: int) -> None:
    assert asker("127.0.0.1", 1)("/ping", 10) == REFUSED
    assert asker("127.0.0.1", free_socket)("/ping", 0.01).text == "no answer within 0.01 s"
