"""Two reports of benchmarks side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Optional

from mardock.benchmark.report import BenchReport, LoadResult


@dataclass(frozen=True)
class Difference:
    """One figure of one run in two reports.

    Attributes:
        label: the run's, e.g. `4 workers, 16 at once`.
        unit: `req/s`, `ms`, or `%` for a share from 0 to 1.
        before, after: `None` where a report lacks the run or the figure.
    """

    label: str
    figure: str
    unit: str
    before: Optional[float]
    after: Optional[float]

    @property
    def ratio(self) -> Optional[float]:
        """How many times larger the second one is; `None` without both, or when the first is 0."""
        return self.after / self.before if self.before and self.after is not None else None

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON, with its ratio."""
        return {**asdict(self), "ratio": self.ratio}


def compare(before: BenchReport, after: BenchReport) -> list[Difference]:
    """Return each figure of each run; runs belong together when workers, concurrency and rate are the same."""
    left, right = ({run.label: dict(_figures(run)) for run in report.runs} for report in (before, after))
    return [
        Difference(
            label, figure, unit, left.get(label, {}).get((figure, unit)), right.get(label, {}).get((figure, unit))
        )
        for label in {**left, **right}
        for figure, unit in {**left.get(label, {}), **right.get(label, {})}
    ]


def _figures(run: LoadResult) -> Iterator[tuple[tuple[str, str], Optional[float]]]:
    yield ("throughput", "req/s"), run.throughput
    yield ("P50", "ms"), run.latency.p50_ms
    yield ("P90", "ms"), run.latency.p90_ms
    yield ("P99", "ms"), run.latency.p99_ms
    yield ("P99.9", "ms"), run.latency.p999_ms
    yield ("mean inference", "ms"), run.server.mean_inference_ms if run.server else None
    yield ("mean queue", "ms"), run.server.mean_queue_ms if run.server else None
    yield ("errors", "%"), run.error_rate
