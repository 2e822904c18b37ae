"""What the classifier answers. With weights that have learnt, say here which label is right for which text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

pytest.importorskip("transformers")

SAMPLE = (Path(__file__).parent / "sample.txt").read_bytes()


def test_every_label_has_a_score_and_what_is_no_text_fails_alone(ask: Callable[..., Any]) -> None:
    answers = ask(SAMPLE, 300 * b"words ", b"  \n", b"\xff\xfe")
    assert [status for status, _ in answers] == [200, 200, 400, 400]
    for _, answer in answers[:2]:
        assert sum(answer["scores"].values()) == pytest.approx(1)
        assert answer["scores"][answer["label"]] == max(answer["scores"].values())
    assert "no UTF-8" in answers[3][1]["message"]
