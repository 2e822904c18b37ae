"""What the tabular model answers. Replace these rows by your own, and what is right by what you know of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest

SAMPLE = (Path(__file__).parent / "sample.json").read_bytes()
FAITHFUL = {"age": 70, "monthly_spend": 35, "plan": "pro"}


def test_a_row_has_one_answer_and_a_list_of_rows_a_list(ask: Callable[..., Any]) -> None:
    rows = json.dumps([json.loads(SAMPLE), FAITHFUL, {}]).encode()
    (_, alone), (_, several), (_, none) = ask(SAMPLE, rows, b"[]")
    assert several[0]["probability"] == pytest.approx(alone["probability"])
    assert alone["probability"] > 0.7 > 0.3 > several[1]["probability"]
    assert none == []


def test_missing_values_are_made_do_without(ask: Callable[..., Any]) -> None:
    answers = ask(b"{}", b'{"age": null, "plan": "pro"}', b'{"age": NaN, "monthly_spend": 1e999}')
    assert all(status == 200 and 0 < answer["probability"] < 1 for status, answer in answers)


def test_rows_that_cannot_be_read_fail_alone(ask: Callable[..., Any]) -> None:
    wrong = [b'{"age": "old"}', b'{"plan": "gold"}', b'{"agee": 41}', b'[{"age": 41}, 7]', b"age=41"]
    (status, _), *refused = ask(SAMPLE, *wrong)
    assert status == 200
    assert [status for status, _ in refused] == [400] * len(wrong)
    assert refused[1][1]["message"] == 'plan is one of free, basic, pro, not "gold"'
