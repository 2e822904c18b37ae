"""How far a long job is, told where there is no terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mardock.cli import console
from mardock.errors import EngineError

SIZE = 1000


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_after_two_seconds_and_then_every_five(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = console.ProgressLines("archiving digits", clock)
    for second in range(12):
        clock.now = 100.0 + second
        lines.advance(SIZE * second // 12, SIZE)
    assert capsys.readouterr().err == "archiving digits: 16 %\narchiving digits: 58 %\n"


def test_the_end_of_a_job_is_told_by_what_it_made(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = console.ProgressLines("archiving digits", clock)
    clock.now += 60
    lines.advance(SIZE, SIZE)
    assert capsys.readouterr().err == ""


def test_a_short_job_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("archiving digits") as advance:
        advance(1, SIZE)
    assert capsys.readouterr().err == ""


def test_an_error_does_not_repeat_what_was_passed_on_already(capsys: pytest.CaptureFixture[str]) -> None:
    console.note("Container x  Starting")
    console.note("Error: no room")
    console.error(EngineError("it failed", details=" Container x  Starting\nError: no room\n"))
    console.error(EngineError("it failed", details="Error: no room\nwhich nobody has read"))
    assert capsys.readouterr().err.splitlines() == [
        *("Container x  Starting", "Error: no room", "error: it failed"),
        *("Error: no room", "which nobody has read", "error: it failed"),
    ]


def test_json_holds_no_number_that_json_has_none_for(capsys: pytest.CaptureFixture[str]) -> None:
    console.data_json({"a": [1.5, float("nan")], "b": (float("inf"), "nan"), "c": Path("x")})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "a": [1.5, None],
        "b": [None, "nan"],
        "c": "x",
    }
