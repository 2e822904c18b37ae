"""A benchmark as one HTML page that needs no network: tables, plots, and what to doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Optional

from mardock.benchmark.report import BenchReport, LoadResult
from mardock.benchmark.svg import COLOURS, Axis, Series, line_chart, linear, logarithmic

_STYLE = """
:root { color-scheme: light dark; --page: #fafafa; --card: #fff; --text: #1c2430; --soft: #5b6675; --rule: #e3e7ec;
  --warn: #9a5b00; --c0: #2563eb; --c1: #d9480f; --c2: #0f8a5f; --c3: #9333ea; --c4: #b7860b; --c5: #0e7490; }
@media (prefers-color-scheme: dark) { :root { --page: #12161c; --card: #1a2029; --text: #e6eaf0; --soft: #9aa6b5;
  --rule: #2b3440; --warn: #f0b35a; --c0: #6ea2ff; --c1: #ff8f5c; --c2: #4cc79a; --c3: #c08bff; --c4: #e2b84a;
  --c5: #4fc3d9; } }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1360px; margin: 0 auto; padding: 32px 24px; }
h1 { margin: 0; font-size: 26px; } h2 { margin: 0 0 12px; font-size: 16px; }
p, li { color: var(--soft); } p { margin: 4px 0 24px; }
section { padding: 20px; overflow-x: auto; background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px; }
section.doubts li { color: var(--warn); }
.stack { display: grid; gap: 20px; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.wide { grid-column: 1 / -1; }
@media (max-width: 900px) { .stack { grid-template-columns: minmax(0, 1fr); } }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; font-size: 13px; } tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; }
ul { margin: 0; padding-left: 20px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 8px; padding: 0; list-style: none;
  font-size: 13px; }
.key { display: inline-block; width: 18px; border-top: 3px solid; margin-right: 7px; vertical-align: middle; }
.key.dashed { border-top-style: dashed; } .line.dashed { stroke-dasharray: 6 4; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); } .line { fill: none; stroke-width: 2; }
""" + "".join(
    f".line.c{i} {{ stroke: var(--c{i}); }} .mark.c{i} {{ fill: var(--c{i}); }} "
    f".key.c{i} {{ border-color: var(--c{i}); }}\n"
    for i in range(COLOURS)
)
_RUN_HEADERS = ("Load", "Requests", "Errors", "Requests/s", "P50", "P90", "P99", "P99.9", "Max", "Client ceiling")
_SERVER_HEADERS = ("Load", "Total requests", "Mean inference latency", "Mean queue latency")


def html_text(report: BenchReport) -> str:
    """Return the page."""
    title = escape(f"{report.model}{f' {report.version}' if report.version else ''}: throughput and latency")
    machine = " · ".join(f"{name} {value}" for name, value in report.machine.items())
    size = f"{report.body_bytes:,} bytes"
    bodies = f"{report.bodies} bodies of {size} on average" if report.bodies > 1 else f"one body of {size}"
    load = f"{bodies} · {report.warmup_s:g} s warm-up"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
        f"<p>{escape(f'{report.target} · {report.started} · {load}')}<br>{escape(machine)}</p>"
        f'<div class="stack">{"".join(_sections(report.runs))}</div></main></body></html>\n'
    )


def _sections(runs: Sequence[LoadResult]) -> Iterable[str]:
    yield _section("Seen by the client (2xx answers alone)", _table(_RUN_HEADERS, map(_row, runs)), "wide")
    doubts = [f"{run.label}: {doubt}" for run in runs for doubt in run.doubts()]
    if doubts:
        items = "".join(f"<li>{escape(doubt)}</li>" for doubt in doubts)
        yield _section("What to doubt", f"<ul>{items}</ul>", "wide doubts")
    yield _section("Latency CDF", _cdf(runs))
    yield _section("Throughput over time", _throughput(runs))
    if len({run.concurrency for run in runs}) > 1:
        groups = _by_workers(runs)
        for name, members in groups:
            yield _section(f"Latency percentiles by concurrency{name and ', '}{name}", _percentiles(members))
        yield _section("Throughput by concurrency", _throughput_by_concurrency(groups))
    served = [run for run in runs if run.server is not None]
    if served:
        yield _section("Counted by TorchServe", _table(_SERVER_HEADERS, map(_server_row, served)), "wide")


def _section(title: str, content: str, classes: str = "") -> str:
    return f'<section class="{classes}"><h2>{escape(title)}</h2>{content}</section>'


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(run: LoadResult) -> list[str]:
    latency = run.latency
    percentiles = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
    errors = f"{sum(run.errors.values()):,} ({run.error_rate:.2%})" if run.errors else "0"
    figures = [f"{run.requests:,}", errors, f"{run.throughput:,.1f}", *map(_ms, percentiles)]
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
    series = [
        Series(run.label, [((i + 0.5) * run.window_s, value) for i, value in enumerate(run.windows)]) for run in runs
    ]
    x = linear("seconds", (run.seconds for run in runs))
    return line_chart(series, x, linear("requests/s", (value for run in runs for value in run.windows)))


def _percentiles(runs: Sequence[LoadResult]) -> str:
    ways = (("P50", "p50_ms"), ("P90", "p90_ms"), ("P99", "p99_ms"), ("P99.9", "p999_ms"))
    series = []
    for name, field in ways:
        points = [(_concurrency(run), value) for run in runs if (value := getattr(run.latency, field)) is not None]
        if points:
            series.append(Series(name, points))
    y = logarithmic("latency, ms", (value for entry in series for _, value in entry.points))
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
