"""Scores: what each setting was measured to do, which of two is better, and whether chance could have made it so."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from mardock.tuning.setting import Setting

LEAST_GAIN = 0.03
"""A smaller gain than this share is not worth another setting, nor a step of the search."""


@dataclass(frozen=True)
class Reading:
    """One window of load.

    Attributes:
        throughput: answers per second.
        p99_ms: the largest latency where there were too few answers for a P99; None without any.
        seconds: how long the window lasted.
    """

    throughput: float
    p99_ms: Optional[float]
    seconds: float


class UnfitError(Exception):
    """A setting cannot serve: its workers do not start, it answers otherwise, or not at all."""


class Scores:
    """Readings by setting.

    Args:
        limit_ms: what a P99 is not to exceed.
    """

    def __init__(self, limit_ms: Optional[float]) -> None:
        self.limit_ms = limit_ms
        self.readings: dict[Setting, list[Reading]] = {}
        self.unfit: dict[Setting, str] = {}

    def add(self, setting: Setting, reading: Reading) -> None:
        """Keep a reading."""
        self.readings.setdefault(setting, []).append(reading)

    def throughput(self, setting: Setting) -> float:
        """Return the median of its longest windows."""
        return statistics.median(reading.throughput for reading in self._longest(setting))

    def p99_ms(self, setting: Setting) -> Optional[float]:
        """Return the median of its longest windows' P99s."""
        known = [reading.p99_ms for reading in self._longest(setting) if reading.p99_ms is not None]
        return statistics.median(known) if known else None

    def meets(self, setting: Setting) -> bool:
        """Say whether a setting keeps the limit."""
        if self.limit_ms is None:
            return True
        p99 = self.p99_ms(setting)
        return p99 is not None and p99 <= self.limit_ms

    def best(self, settings: Iterable[Setting]) -> list[Setting]:
        """Return fit settings, best first: those within the limit by throughput, then the others by P99."""
        return sorted((setting for setting in settings if setting in self.readings), key=self._rank, reverse=True)

    def improves(self, setting: Setting, over: Setting) -> bool:
        """Say whether a setting is better by more than `LEAST_GAIN`."""
        if setting not in self.readings:
            return False
        (meets, figure), (before_meets, before) = self._rank(setting), self._rank(over)
        if meets != before_meets:
            return meets
        return figure > before + LEAST_GAIN * abs(before)

    def beyond_chance(self, setting: Setting, over: Setting) -> bool:
        """Say whether the slowest of its longest windows was faster than the other's fastest, and worth it."""
        mine, others = self._longest(setting), self._longest(over)
        gain = self.throughput(setting) / self.throughput(over) - 1 if self.throughput(over) else 1.0
        return gain > LEAST_GAIN and min(r.throughput for r in mine) > max(r.throughput for r in others)

    def front(self) -> list[Setting]:
        """Return the Pareto front: each setting than which no other is both faster and of a lower P99."""
        known = [setting for setting in self.readings if self.p99_ms(setting) is not None]
        found: list[Setting] = []
        for setting in sorted(known, key=lambda s: (self.p99_ms(s), -self.throughput(s))):
            if not found or self.throughput(setting) > self.throughput(found[-1]):
                found.append(setting)
        return found

    def _rank(self, setting: Setting) -> tuple[bool, float]:
        if self.meets(setting):
            return True, self.throughput(setting)
        p99 = self.p99_ms(setting)
        return False, float("-inf") if p99 is None else -p99

    def _longest(self, setting: Setting) -> list[Reading]:
        """Return the readings of its longest windows: a short one only says whether a longer one is worth while."""
        readings = self.readings[setting]
        longest = max(reading.seconds for reading in readings)
        return [reading for reading in readings if reading.seconds >= 0.9 * longest]
