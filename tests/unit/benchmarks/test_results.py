"""How benchmarks render what they found, and that all of them are called alike."""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import asdict

import pytest
from benchmarks import __main__ as runner
from benchmarks.results import Row, Side, at_least, at_most, cells, markdown, sentences

PACKING = Row(
    "archive", "s", Side("mardock archive", [0.2, 0.25, 0.3]), Side("torch-model-archiver", [16, 15, 18]), at_least(50)
)
LOAD = Row("load", "req/s", Side("mardock bench", [900]), Side("wrk", [1000]), at_least(0.95), more_is_better=True)


def test_a_row_shows_medians_spread_ratio_goal_and_by_how_much_it_is_met() -> None:
    assert cells(PACKING) == (
        "archive",
        "mardock archive: 0.25 s (0.2-0.3)",
        "torch-model-archiver: 16 s (15-18)",
        "60x better",
        "at least 50x better",
        "met by 20%",
    )


def test_a_missed_goal_and_a_winning_peer_are_told_in_words() -> None:
    assert cells(LOAD)[3:] == ("0.9x the peer's", "at least 0.95x the peer's", "**missed by 5%**")
    assert sentences([LOAD]) == [
        "load, mardock bench: the goal is missed by 5%.",
        "load, mardock bench: wrk is 1.11 times better.",
    ]
    assert sentences([PACKING]) == []


def test_a_goal_at_most_is_about_ours_over_the_peers() -> None:
    row = Row("archive", "s", Side("mardock archive", [0.3]), Side("cp", [0.1]), at_most(2))

    assert cells(row)[3:] == ("3x the peer's", "at most 2x the peer's", "**missed by 50%**")


def test_a_goal_without_a_peer_is_about_our_own_figure() -> None:
    row = Row("requests lost", "requests", Side("mardock watch", [3]), goal=at_most(0), note="of 2000")

    assert cells(row) == (
        "requests lost",
        "mardock watch: 3 requests",
        "-",
        "",
        "at most 0 requests",
        "**missed by 3**",
    )
    assert sentences([row]) == [
        "requests lost, mardock watch: the goal is missed by 3.",
        "requests lost, mardock watch: of 2000.",
    ]


def test_a_peer_that_is_not_installed_is_named() -> None:
    row = Row("load", "req/s", Side("mardock bench", [900]), Side("wrk"), at_least(0.9), more_is_better=True)

    assert cells(row)[2:] == ("wrk: not run", "", "at least 0.9x the peer's", "")
    assert sentences([row]) == ["load, mardock bench: wrk could not be run."]


def test_ratios_are_taken_within_rounds_where_the_sides_took_turns() -> None:
    slow_spell = Row("x", "s", Side("ours", [1, 10, 1]), Side("peer", [2, 20, 5]))

    assert slow_spell.better == 2


def test_rows_survive_the_file_between_two_processes() -> None:
    for row in (PACKING, LOAD, Row("alone", "MB", Side("ours", [1.0]))):
        assert cells(Row.from_dict(json.loads(json.dumps(asdict(row))))) == cells(row)


def test_a_page_tells_what_differed_in_a_run_that_was_taken_over() -> None:
    old = runner.Run({"kernel": "1", "wrk": "4.1"}, "2026-01-01T00:00+00:00", "0.1", 12, [PACKING])
    new = runner.Run({"kernel": "2", "wrk": "4.1"}, "2026-01-02T00:00+00:00", "0.2", 3, [], failure="no such file")
    page = runner.page({"startup": old, "cold_start": new}, newest="cold_start")

    assert "- kernel: 2\n- wrk: 4.1\n" in page
    assert "load before: 0.1; with kernel 1\n" in page
    assert markdown([PACKING]) in page
    assert "It failed: no such file" in page


@pytest.mark.enable_socket  # requests looks for IPv6 when it is imported
@pytest.mark.parametrize("name", runner.BENCHMARKS)
def test_every_benchmark_is_called_alike(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    first, *others = inspect.signature(module.measure).parameters.values()

    assert first.name == "rounds"
    assert all(parameter.default is not parameter.empty for parameter in others)
    assert module.ROUNDS >= 1
    assert runner.title(name)
    assert f"python -m benchmarks.{name}" in str(module.__doc__)
