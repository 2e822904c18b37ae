"""What the text model answers. Replace these texts by your own, and what is right by what you know of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable

SAMPLE = (Path(__file__).parent / "sample.txt").read_bytes()


def test_praise_and_blame_are_told_apart(ask: Callable[..., Any]) -> None:
    (_, praise), (_, blame) = ask(SAMPLE, b"This film was terrible.")
    assert (praise["label"], blame["label"]) == ("positive", "negative")
    assert math.isclose(sum(praise["scores"].values()), 1, abs_tol=1e-6)


def test_what_is_no_text_fails_alone(ask: Callable[..., Any]) -> None:
    answers = ask(SAMPLE, b"  \n", b"\xff\xfe", SAMPLE)
    assert [status for status, _ in answers] == [200, 400, 400, 200]
    assert "no UTF-8" in answers[2][1]["message"]
    assert answers[0] == answers[3]
