"""A benchmark's runs as CSV: one row each, latencies in milliseconds."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict

from mardock.benchmark.report import BenchReport

_RUN = ("label", "workers", "concurrency", "rate", "seconds", "requests", "throughput", "ceiling", "error_rate")
_LATENCY = ("mean_ms", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")
_SERVER = ("requests", "mean_inference_ms", "mean_queue_ms")
_DOUBTS = ("unsteady", "cut_short")


def csv_text(report: BenchReport) -> str:
    """Return the table; there is a column for each kind of error that any run met, and none is left out when empty."""
    kinds = sorted({kind for run in report.runs for kind in run.errors})
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(["model", *_RUN, *_LATENCY, *(f"server_{name}" for name in _SERVER), *_DOUBTS, *kinds])
    for run in report.runs:
        server = asdict(run.server) if run.server else {}
        writer.writerow(
            [
                report.model,
                *(getattr(run, name) for name in _RUN),
                *(getattr(run.latency, name) for name in _LATENCY),
                *(server.get(name) for name in _SERVER),
                *(getattr(run, name) for name in _DOUBTS),
                *(run.errors.get(kind, 0) for kind in kinds),
            ]
        )
    return sink.getvalue()
