"""When the next request is due: as soon as a connection is free (closed loop), or at a fixed rate (open loop)."""

from __future__ import annotations

from typing import Optional, Protocol

SECOND = 1_000_000_000
"""Nanoseconds in a second: the loop's clock is `time.perf_counter_ns`."""


class Schedule(Protocol):
    """Hands out the moments at which requests are meant to be sent, in order."""

    def take(self, now: int) -> Optional[int]:
        """Return when the next request is (or was) to be sent and count it as handed out; None when none is due yet."""
        ...

    def wait(self, now: int) -> Optional[int]:
        """Return the nanoseconds until `take` will have one; None when only a free connection is waited for."""
        ...

    def overdue(self, end: int) -> int:
        """Return how many requests were due before `end` and not handed out."""
        ...


class ClosedLoop:
    """Sends a request as soon as a connection is free: what N patient callers do."""

    def take(self, now: int) -> Optional[int]:
        """Return `now`."""
        return now

    def wait(self, now: int) -> Optional[int]:
        """Return None."""
        return None

    def overdue(self, end: int) -> int:
        """Return 0."""
        return 0


class OpenLoop:
    """Sends at a fixed rate, whatever the server does: what a crowd of independent callers does.

    A latency is counted from the moment handed out here, so a server that stalls is charged for every request that
    had to wait meanwhile (no coordinated omission).

    Args:
        rate: requests per second, above 0.
        start: nanoseconds of the first one.
    """

    def __init__(self, rate: float, start: int) -> None:
        self._rate = rate
        self._start = start
        self._handed_out = 0

    def take(self, now: int) -> Optional[int]:
        """Return the next moment once it has come."""
        due = self._due()
        if due > now:
            return None
        self._handed_out += 1
        return due

    def wait(self, now: int) -> Optional[int]:
        """Return the nanoseconds until the next moment."""
        return max(self._due() - now, 0)

    def overdue(self, end: int) -> int:
        """Return how many moments before `end` were not taken."""
        due = self._due()
        return 0 if due >= end else 1 + int((end - 1 - due) * self._rate / SECOND)

    def _due(self) -> int:
        return self._start + int(self._handed_out * SECOND / self._rate)
