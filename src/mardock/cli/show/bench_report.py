"""Show and write what a benchmark found: tables on the terminal, JSON, CSV, an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock import ownership
from mardock.cli import console
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.benchmark.report import BenchReport, LoadResult

_HEADERS = ("LOAD", "REQUESTS", "ERRORS", "REQ/S", "P50", "P90", "P99", "P99.9", "MAX", "CLIENT CEILING")


def show(report: BenchReport, *, as_json: bool) -> None:
    """Print the runs, TorchServe's own figures beside them, and what makes a run doubtful."""
    if as_json:
        console.data_json(report.to_dict())
    else:
        console.table(_HEADERS, [_row(run) for run in report.runs])
        _show_server_side(report.runs)
    for run in report.runs:
        for doubt in run.doubts():
            console.warn(f"{run.label}: {doubt}")


def write(report: BenchReport, *, csv: Optional[Path], html: Optional[Path]) -> None:
    """Write the files that were asked for.

    Raises:
        ConfigError: one cannot be written.
    """
    from mardock.benchmark.csv_report import csv_text
    from mardock.benchmark.html_report import html_text

    for path, render in ((csv, csv_text), (html, html_text)):
        if path is None:
            continue
        try:
            ownership.replace(path, render(report).encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}", hint=f"ls -ld {path.parent}") from error
        console.success(f"wrote {path}")


def show_comparison(names: Sequence[Path], before: BenchReport, after: BenchReport, *, as_json: bool) -> None:
    """Print the figures of both reports' runs side by side; a run that only one of them has stands alone."""
    from mardock.benchmark.comparison import compare

    found = compare(before, after)
    if as_json:
        console.data_json([difference.to_dict() for difference in found])
        return
    console.table(
        ("LOAD", "", *(name.stem for name in names), "RATIO"),
        [
            (d.label, d.figure, _figure(d.before, d.unit), _figure(d.after, d.unit), _ratio(d.ratio))
            for d in found
            if d.before is not None or d.after is not None
        ],
    )


def _row(run: LoadResult) -> tuple[object, ...]:
    latency = run.latency
    percentiles = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
    errors = sum(run.errors.values())
    return (
        run.label,
        run.requests,
        f"{errors} ({run.error_rate:.2%})" if errors else 0,
        f"{run.throughput:.1f}{_spread(run)}",
        *(_figure(value, "ms") for value in percentiles),
        f"{run.ceiling:.0f} req/s",
    )


def _spread(run: LoadResult) -> str:
    """Return the slowest and the fastest round."""
    return f" ({min(run.rounds):.1f}-{max(run.rounds):.1f})" if run.rounds else ""


def _show_server_side(runs: Sequence[LoadResult]) -> None:
    """Print requests, mean inference and mean queue latency of each run."""
    sides = [(run.label, run.server) for run in runs if run.server is not None]
    if not sides:
        return
    console.data("\nTorchServe's own count")
    console.table(
        ("LOAD", "TOTAL REQUESTS", "MEAN INFERENCE LATENCY", "MEAN QUEUE LATENCY"),
        [
            (label, side.requests, _figure(side.mean_inference_ms, "ms"), _figure(side.mean_queue_ms, "ms"))
            for label, side in sides
        ],
    )


def _figure(value: Optional[float], unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}" if unit == "%" else f"{value:.{1 if value >= 100 else 2}f} {unit}"


def _ratio(ratio: Optional[float]) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"
