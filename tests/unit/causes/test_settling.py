"""A log that is still being written is read to the end of what it tells, and not for longer."""

from __future__ import annotations

from tests.unit.deploy.rehearsal.scenes import Clock

from mardock.causes.audience import Audience
from mardock.causes.cause import Cause
from mardock.causes.settling import settled
from mardock.errors import Reason

PREFIX = "2026-11-21T09:57:10,813 [INFO ] W-9000-mnist_1.0"
LINES = [
    f"{PREFIX}-stdout MODEL_LOG - {text}"
    for text in (
        "about to go",
        "Traceback (most recent call last):",
        '  File "/tmp/models/0123456789abcdef0123456789abcdef/handler.py", line 7, in handle',
        "KeyError: 'x'",
        "  and more of it",
        "Frontend disconnected.",
    )
]
ENDED = f"{PREFIX} org.pytorch.serve.wlm.WorkerLifeCycle - Stopped Scanner - W-9000-mnist_1.0-stdout"


class Log:
    """Written line by line, one with each look, on a clock that only looking moves."""

    def __init__(self, lines: list[str]) -> None:
        self.clock = Clock()
        self._lines = lines
        self.looks = 0

    def read(self) -> list[str]:
        self.looks += 1
        return self._lines[: self.looks]

    def settled(self, deaths: int = 1) -> Cause:
        return settled(self.read, "mnist", "1.0", Audience(), clock=self.clock, deaths=deaths)


def test_a_failure_is_told_once_it_stands_still() -> None:
    log = Log(LINES)
    cause = log.settled()
    assert (cause.reason, cause.exception) == (Reason.RAISED, "KeyError: 'x'\n  and more of it")
    assert cause.output.startswith("about to go\n")
    assert log.looks == len(LINES)


def test_a_worker_that_ended_without_one_is_waited_for_no_longer() -> None:
    log = Log([LINES[0], ENDED, "never read"])
    assert log.settled() == Cause(Reason.ENDED, output="about to go", model="mnist")
    assert log.looks == 2


def test_last_words_that_were_lost_are_found_at_the_next_worker_s_end() -> None:
    log = Log([LINES[0], ENDED, *LINES, ENDED])
    assert log.settled(deaths=2).exception == "KeyError: 'x'\n  and more of it"


def test_the_next_worker_may_end_without_words_too() -> None:
    log = Log([LINES[0], ENDED, LINES[0], ENDED, "never read"])
    assert log.settled(deaths=2) == Cause(Reason.ENDED, output="about to go\nabout to go", model="mnist")
    assert log.looks == 4


def test_a_log_that_says_nothing_more_is_given_up_after_a_while() -> None:
    log = Log(LINES[:1])
    assert log.settled() == Cause(Reason.ENDED, output="about to go", model="mnist")
    assert 2 <= log.clock.now < 3


def test_a_log_that_never_ends_is_given_up_too() -> None:
    log = Log([f"{PREFIX}-stdout MODEL_LOG - {number}" for number in range(10_000)])
    assert log.settled().reason is Reason.ENDED
    assert 30 <= log.clock.now < 31
