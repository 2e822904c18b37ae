"""What the classifier answers. With weights that have learnt, say here which label is right for which text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

pytest.importorskip("transformers")

SAMPLE = (Path(__file__).parent / "sample.txt").read_bytes()


def test_every_label_has_a_score(ask: Callable[..., Any]) -> None:
    for status, answer in ask(SAMPLE, b"The room was very dirty!", 300 * b"words "):
        assert status == 200
        assert sum(answer["scores"].values()) == pytest.approx(1)
        assert answer["scores"][answer["label"]] == max(answer["scores"].values())


def test_what_is_no_text_fails_alone(ask: Callable[..., Any]) -> None:
    answers = ask(SAMPLE, b"  \n", b"\xff\xfe")
    assert [status for status, _ in answers] == [200, 400, 400]
    assert "no UTF-8" in answers[2][1]["message"]
