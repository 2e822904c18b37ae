"""What the language model answers. With a model of your own, say here what is right to follow which prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

pytest.importorskip("transformers")

SAMPLE = (Path(__file__).parent / "sample.txt").read_bytes()
SENTENCE = "The quick brown fox jumps over the lazy dog."


def test_a_prompt_is_gone_on_with_whole_or_in_pieces(ask: Callable[..., Any]) -> None:
    short, streamed = b'{"prompt": "The quick", "max_new_tokens": 6}', b'{"prompt": "The lazy", "stream": true}'
    (_, whole), (_, cut), (_, pieces) = ask(SAMPLE, short, streamed)
    assert SAMPLE.decode() + whole["text"] == SENTENCE
    assert cut == {"text": " brown"}
    assert isinstance(pieces, str)
    assert pieces


def test_what_cannot_be_gone_on_with_fails_alone(ask: Callable[..., Any]) -> None:
    wrong = [
        b"  ",
        b"\xff",
        b"{}",
        b'{"prompt": "a", "max_new_tokens": 0}',
        b'{"prompt": "a", "stream": 1}',
        b"a" * 999,
    ]
    (status, answer), *refused = ask(SAMPLE, *wrong)
    assert (status, SAMPLE.decode() + answer["text"]) == (200, SENTENCE)
    assert [status for status, _ in refused] == [400] * len(wrong)
    assert "more than 256" in refused[-1][1]["message"]
