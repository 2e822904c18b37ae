"""Which of two settings is better, and what a report says of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Optional

from mardock.tuning.html_report import html_text, verdict
from mardock.tuning.report import TuneReport, trials_of
from mardock.tuning.scores import Reading, Scores
from mardock.tuning.setting import Setting

SLOW, FAST, LATE = Setting(1, 1, 1, 2), Setting(2, 4, 1, 1), Setting(2, 16, 20, 1, "<freeze>")


def scores(limit: Optional[float] = None) -> Scores:
    found = Scores(limit)
    for setting, throughput, p99 in ((SLOW, 10.0, 100.0), (FAST, 40.0, 50.0), (LATE, 60.0, 200.0)):
        for chance in (0.95, 1.0, 1.05):
            found.add(setting, Reading(throughput * chance, p99 * chance, 2.0))
    return found


def test_throughput_decides_within_the_limit_and_p99_beyond_it() -> None:
    assert scores().best([SLOW, FAST, LATE]) == [LATE, FAST, SLOW]
    assert scores(limit=120).best([SLOW, FAST, LATE]) == [FAST, SLOW, LATE]
    assert scores(limit=10).best([SLOW, FAST, LATE]) == [FAST, SLOW, LATE]
    assert scores(limit=120).improves(SLOW, LATE)
    assert not scores(limit=120).improves(LATE, SLOW)


def test_windows_that_overlap_may_be_chance() -> None:
    found = scores()
    assert found.beyond_chance(FAST, SLOW)
    found.add(SLOW, Reading(39.0, 50.0, 2.0))
    assert not found.beyond_chance(FAST, SLOW)


def test_short_windows_count_until_there_are_longer_ones() -> None:
    found = Scores(None)
    found.add(FAST, Reading(100.0, 1.0, 0.5))
    assert found.throughput(FAST) == 100.0
    found.add(FAST, Reading(40.0, 2.0, 2.0))
    assert (found.throughput(FAST), found.p99_ms(FAST)) == (40.0, 2.0)


def test_the_front_leaves_out_what_another_beats_in_both() -> None:
    assert scores().front() == [FAST, LATE]


def test_a_report_survives_json_and_its_page_escapes_what_it_is_told() -> None:
    found = scores(limit=120)
    found.unfit[replace(FAST, workers=8)] = "it answers <otherwise>"
    report = TuneReport(
        model="m",
        version="1.0",
        started="2026-01-01T00:00:00+00:00",
        machine={"processors": "2"},
        concurrency=16,
        limit_ms=120,
        budget_s=60,
        seconds=61.5,
        present=SLOW,
        winner=FAST,
        reason="it was faster",
        gain=3.0,
        nearest=None,
        complete=True,
        trials=trials_of(found),
    )
    assert json.loads(json.dumps(report.to_dict()))["winner"]["workers"] == 2
    page = html_text(report)
    assert "it answers &lt;otherwise&gt;" in page
    assert "<freeze>" not in page
    assert "P99 limit, 120 ms" in page
    assert verdict(report) == f"Serve with {FAST} (+300% throughput): it was faster."
    assert verdict(replace(report, complete=False, reason="interrupted")) == "Partial: interrupted."
    assert "Keep what you have" in verdict(replace(report, winner=None))
    nothing = html_text(replace(report, winner=None, complete=False, reason="interrupted", trials=()))
    assert "Partial: interrupted." in nothing
    assert "<svg" not in nothing
