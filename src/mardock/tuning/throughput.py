"""The throughput of a window of load whose answers come in bursts, as those of batches do."""

from __future__ import annotations

from collections.abc import Sequence


def rate_of(windows: Sequence[float], *, skipped: float = 0.0) -> float:
    """Return the throughput from one burst of answers to the last; a plain mean would count a burst more or less.

    Bursts that span less than half of what counts say too little, and the plain mean is returned.

    Args:
        windows: throughput of equal parts, in order.
        skipped: the share of them that does not count, at the beginning; its last burst is where counting starts.
    """
    begin = round(skipped * len(windows))
    counted = windows[begin:]
    answered = [part for part, rate in enumerate(windows) if rate]
    inside = [part for part in answered if part >= begin]
    if not inside:
        return 0.0
    first, last = max((part for part in answered if part < begin), default=inside[0]), inside[-1]
    if last - first < len(counted) / 2:
        return sum(counted) / len(counted)
    return sum(windows[first + 1 : last + 1]) / (last - first)
