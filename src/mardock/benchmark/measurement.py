"""Measurement: what one run of load counts while it goes on, in constant memory."""

from __future__ import annotations

from collections import Counter
from typing import Optional

from mardock.benchmark.histogram import Histogram
from mardock.benchmark.schedule import SECOND

WINDOWS = 40
"""Equal parts of a run whose throughput is counted by itself."""

REFUSED = "connection refused"
UNREACHABLE = "no connection"
RESET = "connection reset"
TIMEOUT = "timeout"
SHORT_BODY = "short body"
BAD_RESPONSE = "bad response"
UNSENT = "never sent"
"""Kinds of error; answers other than 2xx are counted as `4xx`, `5xx` and so on."""


class Measurement:
    """Counts requests of one run; latencies are those of 2xx answers alone. All moments are nanoseconds of one clock.

    Attributes:
        latency: from the moment a request was meant to be sent to its complete answer.
        lateness: open loop: how late a free connection sent a due request; this is the client's own fault.
        errors: how often each kind of error happened.
        examples: the first thing heard with each kind.
        body_bytes: length of all answers' bodies.
        cut_short: why the run ended early; `None` when it did not.
    """

    def __init__(self) -> None:
        self.latency = Histogram()
        self.lateness = Histogram()
        self.errors: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.body_bytes = 0
        self.cut_short: Optional[str] = None
        self._windows = [0] * WINDOWS
        self._begin = self._end = 0
        self._width = 1

    def begin(self, now: int, end: int) -> None:
        """The run starts and is to stop sending at `end`."""
        self._begin, self._end = now, end
        self._width = max((end - now) // WINDOWS, 1)

    def answered(self, intended: int, now: int, body_bytes: int) -> None:
        """Count a 2xx answer; one after the end counts in no window, its latency counts all the same."""
        self.latency.record(now - intended)
        self.body_bytes += body_bytes
        if now < self._end:
            window = (now - self._begin) // self._width
            self._windows[window if window < WINDOWS else -1] += 1

    def failed(self, kind: str, example: str = "", *, count: int = 1) -> None:
        """Count an error."""
        self.errors[kind] += count
        if example:
            self.examples.setdefault(kind, example)

    def stop(self, now: int, why: str) -> None:
        """The run ends before its time, or before its last answers came."""
        self._end = min(self._end, now)
        self.cut_short = why

    @property
    def seconds(self) -> float:
        """How long requests were sent."""
        return (self._end - self._begin) / SECOND

    @property
    def in_time(self) -> int:
        """How many 2xx answers came while requests were sent."""
        return sum(self._windows)

    @property
    def throughput(self) -> float:
        """2xx answers per second while requests were sent."""
        return self.in_time / self.seconds if self.seconds else 0.0

    @property
    def windows(self) -> list[float]:
        """Throughput of each complete part of the run, in order."""
        complete = (self._end - self._begin) // self._width
        return [count / (self._width / SECOND) for count in self._windows[:complete]]

    @property
    def window_s(self) -> float:
        """Seconds that one of `windows` lasts."""
        return self._width / SECOND
