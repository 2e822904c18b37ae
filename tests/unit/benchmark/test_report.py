"""Reports: JSON and back, CSV, the page, and two of them compared."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mardock.benchmark.comparison import compare
from mardock.benchmark.csv_report import csv_text
from mardock.benchmark.html_report import html_text
from mardock.benchmark.measurement import TIMEOUT, Measurement
from mardock.benchmark.report import BenchReport, LoadResult, Part, read_report
from mardock.benchmark.schedule import SECOND
from mardock.benchmark.server_side import Counters, ServerSide
from mardock.errors import ConfigError

MS = SECOND // 1000
HOSTILE = "500 <script>alert(1)</script>"


def run(concurrency: int, latency_ms: int, workers: int | None = None, rounds: int = 1) -> LoadResult:
    """A second in which each connection got its answers after the same time, then one timeout."""
    measurement = Measurement()
    measurement.begin(0, SECOND)
    for start in range(0, SECOND, latency_ms * MS):
        for _ in range(concurrency):
            measurement.answered(start, start + latency_ms * MS, 10)
    measurement.failed(TIMEOUT, HOSTILE)
    counted = Counters(30, 60_000.0, 9_000.0) - Counters(10, 20_000.0, 1_000.0)
    parts = [Part(measurement, counted)] * rounds
    return LoadResult.of(parts, workers=workers, concurrency=concurrency, rate=None, ceiling=1e6)


def report(*runs: LoadResult) -> BenchReport:
    return BenchReport(
        model="mnist<b>",
        version=None,
        target="127.0.0.1:8080",
        started="2026-01-01T00:00:00+00:00",
        machine={"processors": "2"},
        bodies=1,
        body_bytes=100,
        warmup_s=1.0,
        timeout_s=30.0,
        complete=True,
        runs=runs,
    )


def test_figures_follow_from_the_known_latency() -> None:
    result = run(4, 10)

    assert result.latency.p50_ms == pytest.approx(10, rel=0.001)
    assert result.throughput == pytest.approx(4 * 99)  # the last round of answers came at the end, not before it
    assert (result.requests, dict(result.errors)) == (400, {TIMEOUT: 1})
    assert result.error_rate == 1 / 401
    assert result.unsteady is None


def test_the_servers_figures_are_differences() -> None:
    side = run(1, 10).server

    assert side is not None
    assert (side.requests, side.mean_inference_ms, side.mean_queue_ms) == (20, 2.0, 0.4)


def test_requests_over_grpc_have_no_latencies_on_the_server() -> None:
    rounding = Counters(30, 1e-9, 0.0)

    assert ServerSide.of(rounding) == ServerSide(30, None, None)


def test_rounds_are_pooled() -> None:
    one, three = run(4, 20), run(4, 20, rounds=3)

    assert three.requests == 3 * one.requests
    assert three.seconds == 3 * one.seconds
    assert three.throughput == one.throughput
    assert three.rounds == (one.throughput,) * 3
    assert three.errors == {kind: 3 * count for kind, count in one.errors.items()}
    assert three.latency.p50_ms == one.latency.p50_ms
    assert three.windows == one.windows * 3
    assert three.server is not None
    assert (three.server.requests, three.server.mean_queue_ms) == (60, 0.4)


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    original = report(run(1, 10), run(4, 10, workers=2))
    file.write_text(json.dumps(original.to_dict()))

    assert read_report(file) == original


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"runs": 3}', "[" * 100_000])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)

    with pytest.raises(ConfigError, match="no report of a benchmark"):
        read_report(file)


def test_csv_has_a_row_per_run_and_a_column_per_kind_of_error() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(report(run(1, 10), run(4, 10, workers=2))))))

    assert [(row["concurrency"], row["workers"], row["requests"], row[TIMEOUT]) for row in rows] == [
        ("1", "", "100", "1"),
        ("4", "2", "400", "1"),
    ]


def test_the_page_needs_no_network_and_escapes_what_servers_say() -> None:
    page = html_text(report(*(run(load, 10, workers) for workers in (1, 4) for load in (1, 4))))

    assert not re.search(r"https?://|<script|<link|@import|src=", page)
    assert "mnist&lt;b&gt;" in page
    assert "alert(1)" in page


@pytest.mark.parametrize(
    "runs",
    [
        lambda: [run(1, 10)],
        lambda: [run(load, 10 * load) for load in (1, 2, 4, 8, 16, 32, 50, 64)],
        lambda: [LoadResult.of([Part(Measurement())], workers=None, concurrency=1, rate=None, ceiling=0.0)],
    ],
    ids=["one", "eight", "nothing-answered"],
)
def test_every_plot_is_well_formed_and_stays_in_its_frame(runs: Callable[[], list[LoadResult]]) -> None:
    plots = re.findall(r"<svg.*?</svg>", html_text(report(*runs())), re.DOTALL)

    assert plots
    for plot in plots:
        tree = ElementTree.fromstring(plot)
        for line in tree.iter("polyline"):
            for pair in line.attrib["points"].split():
                x, y = map(float, pair.split(","))
                assert 0 <= x <= 640
                assert 0 <= y <= 320


def test_runs_of_the_same_load_are_compared() -> None:
    found = {(d.label, d.figure): d for d in compare(report(run(4, 20), run(8, 10)), report(run(4, 10)))}

    assert found["4 at once", "P50"].ratio == pytest.approx(0.5, rel=0.001)
    assert found["4 at once", "throughput"].ratio == pytest.approx(99 / 49)
    only_before = found["8 at once", "P50"]
    assert (only_before.after, only_before.ratio) == (None, None)
