"""A benchmark as one HTML page that needs no network: tables, plots, and what to doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Optional

from mardock.benchmark.html_page import page, section, table
from mardock.benchmark.report import BenchReport, LoadResult
from mardock.benchmark.svg import Axis, Series, line_chart, linear, logarithmic

_RUN_HEADERS = ("Load", "Requests", "Errors", "Requests/s", "P50", "P90", "P99", "P99.9", "Max", "Client ceiling")
_PERCENTILES = (("P50", "p50_ms"), ("P90", "p90_ms"), ("P99", "p99_ms"), ("P99.9", "p999_ms"))
_POINTS = 30  # of a line over time
_SERVER_HEADERS = ("Load", "Total requests", "Mean inference latency", "Mean queue latency")


def html_text(report: BenchReport) -> str:
    """Return the page."""
    version = f" {report.version}" if report.version else ""
    machine = " · ".join(f"{name} {value}" for name, value in report.machine.items())
    size = f"{report.body_bytes:,} bytes"
    bodies = f"{report.bodies} bodies of {size} on average" if report.bodies > 1 else f"one body of {size}"
    rounds = max((len(run.rounds) for run in report.runs), default=0)
    load = f"{report.protocol} · {bodies} · {report.warmup_s:g} s warm-up" + (f" · {rounds} rounds" if rounds else "")
    details = (f"{report.target} · {report.started} · {load}", machine)
    return page(f"{report.model}{version}: throughput and latency", details, _sections(report.runs))


def _sections(runs: Sequence[LoadResult]) -> Iterable[str]:
    yield section("Seen by the client (2xx answers alone)", table(_RUN_HEADERS, map(_row, runs)), "wide")
    doubts = [f"{run.label}: {doubt}" for run in runs for doubt in run.doubts()]
    if doubts:
        items = "".join(f"<li>{escape(doubt)}</li>" for doubt in doubts)
        yield section("What to doubt", f"<ul>{items}</ul>", "wide doubts")
    yield section("Latency CDF", _cdf(runs))
    yield section("Throughput over time", _throughput(runs))
    if len({run.concurrency for run in runs}) > 1:
        groups = _by_workers(runs)
        known = (getattr(run.latency, field) for run in runs for _, field in _PERCENTILES)
        y = logarithmic("latency, ms", (ms for ms in known if ms is not None))  # one for all, so that they compare
        for name, members in groups:
            yield section(f"Latency percentiles by concurrency{name and ', '}{name}", _percentiles(members, y))
        yield section("Throughput by concurrency", _throughput_by_concurrency(groups))
    served = [run for run in runs if run.server is not None]
    if served:
        yield section("Counted by TorchServe", table(_SERVER_HEADERS, map(_server_row, served)), "wide")


def _row(run: LoadResult) -> list[str]:
    latency = run.latency
    percentiles = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
    errors = f"{sum(run.errors.values()):,} ({run.error_rate:.2%})" if run.errors else "0"
    spread = f" ({min(run.rounds):,.1f}-{max(run.rounds):,.1f})" if run.rounds else ""
    figures = [f"{run.requests:,}", errors, f"{run.throughput:,.1f}{spread}", *map(_ms, percentiles)]
    return [run.label, *figures, f"{run.ceiling:,.0f}/s"]


def _server_row(run: LoadResult) -> list[str]:
    side = run.server
    assert side is not None
    return [run.label, f"{side.requests:,}", _ms(side.mean_inference_ms), _ms(side.mean_queue_ms)]


def _cdf(runs: Sequence[LoadResult]) -> str:
    series = [
        Series(run.label, [(ms, fraction * 100) for fraction, ms in run.latency.distribution])
        for run in runs
        if run.latency.distribution
    ]
    x = logarithmic("latency, ms", (ms for entry in series for ms, _ in entry.points))
    return line_chart(series, x, Axis("requests no slower, %", 0, 100))


def _throughput(runs: Sequence[LoadResult]) -> str:
    series = [Series(run.label, _smoothed(run)) for run in runs]
    x = linear("seconds", (run.seconds for run in runs))
    return line_chart(series, x, linear("requests/s", (value for entry in series for _, value in entry.points)))


def _smoothed(run: LoadResult) -> list[tuple[float, float]]:
    """Return seconds and throughput of about `_POINTS` parts: with more, several lines could not be told apart."""
    size = max(1, round(len(run.windows) / _POINTS))
    parts = [run.windows[i : i + size] for i in range(0, len(run.windows), size)]
    return [((i * size + len(part) / 2) * run.window_s, sum(part) / len(part)) for i, part in enumerate(parts)]


def _percentiles(runs: Sequence[LoadResult], y: Axis) -> str:
    series = []
    for name, field in _PERCENTILES:
        points = [(_concurrency(run), value) for run in runs if (value := getattr(run.latency, field)) is not None]
        if points:
            series.append(Series(name, points))
    return line_chart(series, _concurrency_axis(runs), y, marks=True)


def _throughput_by_concurrency(groups: Sequence[tuple[str, Sequence[LoadResult]]]) -> str:
    runs = [run for _, members in groups for run in members]
    series = [Series(name, [(_concurrency(run), run.throughput) for run in members]) for name, members in groups]
    y = linear("requests/s", (run.throughput for run in runs))
    return line_chart(series, _concurrency_axis(runs), y, marks=True)


def _by_workers(runs: Sequence[LoadResult]) -> list[tuple[str, Sequence[LoadResult]]]:
    """Return the runs of each number of workers with its name, each group in order of concurrency."""
    counts = sorted({run.workers for run in runs}, key=lambda count: count or 0)
    return [
        (
            "" if count is None else f"{count} worker{'s' * (count != 1)}",
            sorted((run for run in runs if run.workers == count), key=_concurrency),
        )
        for count in counts
    ]


def _concurrency(run: LoadResult) -> float:
    return float(run.concurrency)


def _concurrency_axis(runs: Sequence[LoadResult]) -> Axis:
    return logarithmic("concurrency", map(_concurrency, runs))


def _ms(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:,.{1 if value >= 100 else 2}f} ms"
