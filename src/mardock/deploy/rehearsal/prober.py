"""Probing a container as Kubernetes does: the schedule of its probes, what they count, and what follows from it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Literal, Optional

from mardock.causes.settling import Clock
from mardock.errors import ConfigError

_LONGEST_BODY = 10 * 1024  # bytes; kubelet reads no more


@dataclass(frozen=True)
class Probe:
    """One probe as Kubernetes has it, times in seconds; the defaults are those of `az ml`.

    Raises:
        ConfigError: a value is below the 1 that Kubernetes wants.
    """

    kind: Literal["liveness", "readiness"]
    path: str
    initial_delay: int = 10
    period: int = 10
    timeout: int = 2
    success_threshold: int = 1
    failure_threshold: int = 30

    def __post_init__(self) -> None:
        for key in ("period", "timeout", "success_threshold", "failure_threshold"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key} of the {self.kind} probe is {getattr(self, key)}", hint="write 1 or more")

    @property
    def window(self) -> int:
        """Seconds from the container's start until the last attempt that is granted has begun."""
        return self.initial_delay + self.period * (self.failure_threshold - 1)


@dataclass(frozen=True)
class Answer:
    """What came back from one look: a status, or the reason why none did."""

    status: Optional[int]
    text: str = ""

    @property
    def success(self) -> bool:
        return self.status is not None and 200 <= self.status < 400  # kubelet's own bounds


Ask = Callable[[str, float], Answer]
"""Gets a path of the container, giving up after so many seconds."""


class _Course:
    """One probe over the life of a container: when it is due next, and what its thresholds make of the answers."""

    def __init__(self, probe: Probe, started: float) -> None:
        self.probe = probe
        self.due = started + probe.initial_delay
        self.verdict: Optional[bool] = None
        self._last = False
        self._same = 0

    def take(self, success: bool, now: float) -> None:
        self._same = self._same + 1 if success == self._last else 1
        self._last = success
        if self._same >= (self.probe.success_threshold if success else self.probe.failure_threshold):
            self.verdict = success
        while self.due <= now:  # turns that passed while it was asked are left out, as kubelet's ticker does
            self.due += self.probe.period


class Prober:
    """Asks a container's probes when they are due, from the earliest moment on at which Kubernetes could.

    Attributes:
        ready_after: seconds from the start to where Kubernetes calls the container Ready.
        failed: the probe whose failures reached their threshold: liveness restarts the container, readiness keeps it
            from ever being sent a request.
        last: what the latest probe was told.
    """

    def __init__(self, probes: Iterable[Probe], ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self.started = clock.monotonic()
        self._courses = [_Course(probe, self.started) for probe in probes]
        self.ready_after: Optional[float] = None
        self.failed: Optional[Probe] = None
        self.last: Optional[Answer] = None

    @property
    def elapsed(self) -> float:
        """Seconds since the container started."""
        return self._clock.monotonic() - self.started

    @property
    def next_due(self) -> float:
        """Seconds from now until the next probe."""
        return max(0.0, min(course.due for course in self._courses) - self._clock.monotonic())

    def ask_due(self) -> None:
        """Ask each probe that is due, once."""
        for course in self._courses:
            if course.due > self._clock.monotonic():
                continue
            self.last = self._ask(course.probe.path, course.probe.timeout)
            course.take(self.last.success, self._clock.monotonic())
            if course.verdict is False and self.failed is None:
                self.failed = course.probe
            if course.verdict and course.probe.kind == "readiness" and self.ready_after is None:
                self.ready_after = self.elapsed


def asker(host: str, port: int) -> Ask:
    """Return what asks a container over HTTP, without a token."""

    def ask(path: str, timeout: float) -> Answer:
        connection = HTTPConnection(host, port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            return Answer(response.status, response.read(_LONGEST_BODY).decode("utf-8", "replace").strip())
        except socket.timeout:
            return Answer(None, f"no answer within {timeout:g} s")
        except (OSError, HTTPException):
            return Answer(None, "the connection is refused")
        finally:
            connection.close()

    return ask
