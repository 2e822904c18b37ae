"""What the language model answers. With a model of your own, say here what is right to follow which prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

pytest.importorskip("transformers")

SAMPLE = (Path(__file__).parent / "sample.txt").read_bytes()
SENTENCE = "The quick brown fox jumps over the lazy dog."


def test_a_prompt_is_gone_on_with_whole_or_in_pieces_and_what_is_none_fails_alone(ask: Callable[..., Any]) -> None:
    cut = b'{"prompt": "The quick", "max_new_tokens": 6}'
    streamed = b'{"prompt": "The quick brown", "stream": true}'
    wrong = [b"  ", b"\xff", b'{"prompt": "a", "max_new_tokens": 0}', b'{"prompt": "a", "stream": 1}', 999 * b"a"]
    answers = ask(SAMPLE, cut, streamed, *wrong)
    assert [status for status, _ in answers] == [200, 200, 200, *[400] * len(wrong)]
    (whole, short, pieces), refused = ([answer for _, answer in part] for part in (answers[:3], answers[3:]))
    assert SAMPLE.decode() + whole["text"] == SAMPLE.decode() + pieces == SENTENCE
    assert short == {"text": " brown"}
    assert "more than 256" in refused[-1]["message"]
