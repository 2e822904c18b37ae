"""The throughput of a window of load whose answers come in bursts, as those of batches do."""

from __future__ import annotations

from collections.abc import Sequence


def pace(windows: Sequence[float], *, skipped: float = 0.0) -> float:
    """Return the throughput from the first answers to the last ones; a plain mean would count a burst more or less.

    Args:
        windows: throughput of equal parts, in order.
        skipped: the share of them to leave out at the beginning.
    """
    counted = windows[round(skipped * len(windows)) :]
    answered = [part for part, rate in enumerate(counted) if rate]
    if len(answered) < 2:
        return sum(counted) / len(counted) if counted else 0.0
    first, last = answered[0], answered[-1]
    return sum(counted[first + 1 : last + 1]) / (last - first)
