"""Whether a run measured one state of the server, or several: start-up, stalls and drift show in its throughput."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Optional

_DRIFT = 0.10
_SPREAD = 0.25
_FEWEST = 20  # answers, below which chance alone explains any difference
_BUSY = 5  # answers in the median window, from which on an empty window is a stall


def why_unsteady(windows: Sequence[float], window_s: float) -> Optional[str]:
    """Say in one clause why a run was not steady, or return None when it was.

    It was not when windows of a busy run are empty, when its halves differ by more than 10 %, or when the middle half
    of its windows spreads over more than 25 %; each limit is widened by what chance does to counts so small.

    Args:
        windows: throughput of equal parts of the run, answers per second.
        window_s: seconds each of them lasts.
    """
    counts = [window * window_s for window in windows]
    total = sum(counts)
    if total < _FEWEST or len(counts) < 4:
        return f"{total:.0f} answers are too few to tell"
    median = statistics.median(counts)
    empty = _longest_empty(counts)
    if empty and median >= _BUSY:
        return f"no answers for {empty * window_s:.2g} s"
    half = len(counts) // 2
    first, second = sum(counts[:half]) / half, sum(counts[-half:]) / half
    drift = second / first - 1 if first else math.inf
    if abs(drift) > _DRIFT + 3 * math.sqrt(4 / total):
        verb = "rose" if drift > 0 else "fell"
        return f"throughput {verb} by {abs(drift):.0%} from its first half to its second"
    low, _, high = statistics.quantiles(counts, n=4)
    if high - low > (_SPREAD + 3 / math.sqrt(max(median, 1))) * median:
        return f"throughput swung between {low / window_s:.3g} and {high / window_s:.3g} per second"
    return None


def _longest_empty(counts: Sequence[float]) -> int:
    longest = current = 0
    for count in counts:
        current = 0 if count else current + 1
        longest = max(longest, current)
    return longest
