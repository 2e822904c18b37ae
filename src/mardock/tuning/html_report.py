"""A search as one HTML page: its verdict, throughput against P99 with the Pareto front, and every setting it tried."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Optional

from mardock.benchmark.html_page import page, section, table
from mardock.benchmark.svg import Point, Series, line_chart, linear
from mardock.tuning.report import Trial, TuneReport
from mardock.tuning.setting import Setting

_HEADERS = ("Setting", "Requests/s", "P99", "Windows", "Loaded for", "Remarks")


def html_text(report: TuneReport) -> str:
    """Return the page."""
    limit = "" if report.limit_ms is None else f" · P99 within {report.limit_ms:g} ms"
    load = f"{report.concurrency} at once{limit} · {report.seconds:.0f} s"
    machine = " · ".join(f"{name} {value}" for name, value in report.machine.items())
    title = f"{report.model} {report.version}: tuned"
    return page(title, (f"{report.started} · {load}", machine), _sections(report))


def verdict(report: TuneReport) -> str:
    """Return the outcome in a sentence."""
    if not report.complete:
        return f"Partial: {report.reason}."
    if report.nearest is not None:
        return f"{report.model}: {report.reason}; the nearest is {_figures(report, report.nearest)}."
    if report.winner is None:
        return f"Keep what you have, {report.present}: {report.reason}."
    gain = "" if report.gain is None else f" ({report.gain:+.0%} throughput)"
    return f"Serve with {report.winner}{gain}: {report.reason}."


def _figures(report: TuneReport, setting: Setting) -> str:
    trial = report.trial(setting)
    return f"{setting} with {_per_second(trial.throughput)} and P99 {_ms(trial.p99_ms)}"


def _sections(report: TuneReport) -> Iterable[str]:
    yield section("Verdict", f"<p>{escape(verdict(report))}</p>", "wide")
    if not report.trials:
        return
    yield section("Throughput against P99: up and to the left is better", _pareto(report), "wide")
    rows = [_row(report, trial) for trial in report.trials]
    yield section("Every setting that was tried, best first", table(_HEADERS, rows), "wide remarks")


def _pareto(report: TuneReport) -> str:
    measured = [trial for trial in report.trials if trial.throughput is not None and trial.p99_ms is not None]
    special = (report.present, report.winner, report.nearest)
    front = sorted((_point(trial), str(trial.setting)) for trial in measured if trial.on_front)
    series = [
        Series("Pareto front", [point for point, _ in front], labels=[label for _, label in front]),
        _marks("tried", [trial for trial in measured if trial.setting not in special and not trial.on_front]),
        _marks("as it is served now", [trial for trial in measured if trial.setting == report.present]),
        _marks("winner", [trial for trial in measured if trial.setting == report.winner]),
        _marks("nearest to the limit", [trial for trial in measured if trial.setting == report.nearest]),
    ]
    y = linear("requests/s", (trial.throughput or 0.0 for trial in measured))
    if report.limit_ms is not None:
        ends = [(report.limit_ms, 0.0), (report.limit_ms, y.high)]
        series.append(Series(f"P99 limit, {report.limit_ms:g} ms", ends, marked=False))
    shown = [entry for entry in series if entry.points]
    x = linear("P99, ms", (x for entry in shown for x, _ in entry.points))
    return line_chart(shown, x, y, marks=True)


def _marks(name: str, trials: list[Trial]) -> Series:
    labels = [f"{name}: {trial.setting}" for trial in trials]
    return Series(name, [_point(trial) for trial in trials], joined=False, labels=labels)


def _point(trial: Trial) -> Point:
    return trial.p99_ms or 0.0, trial.throughput or 0.0


def _row(report: TuneReport, trial: Trial) -> tuple[str, ...]:
    figures = (_per_second(trial.throughput), _ms(trial.p99_ms), str(trial.windows), f"{trial.seconds:.1f} s")
    return (str(trial.setting), *figures, ", ".join(remarks(report, trial)))


def remarks(report: TuneReport, trial: Trial) -> Iterable[str]:
    """Say what a setting is besides its figures."""
    if trial.unfit:
        yield trial.unfit
        return
    if trial.setting == report.winner:
        yield "winner"
    if trial.setting == report.present:
        yield "served now"
    if not trial.meets:
        yield "over the limit"
    if trial.on_front:
        yield "Pareto front"


def _per_second(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:,.1f}/s"


def _ms(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:,.1f} ms"
