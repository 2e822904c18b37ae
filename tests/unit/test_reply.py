"""What an answer's bytes are taken for, and that nothing of them is lost."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mardock import reply


@pytest.mark.parametrize(
    ("body", "encoding", "value"),
    [
        (b'{"cat": 0.9, "dog": [1, 2]}\n', "json", {"cat": 0.9, "dog": [1, 2]}),
        (b"7", "json", 7),
        (b"null", "json", None),
        (b'"a\\u0000"', "json", "a\0"),
        (b"cat\n", "text", "cat\n"),
        (b"", "text", ""),
        ("\u00df\u00a0\U0001f469\u200d\U0001f4bb".encode(), "text", "\u00df\u00a0\U0001f469\u200d\U0001f4bb"),
        (b"1.10", "text", "1.10"),
        (b"007", "text", "007"),
        (b"1e400", "text", "1e400"),
        (b'{"score": NaN}', "text", '{"score": NaN}'),
        (b'{"score": 1e999}', "text", '{"score": 1e999}'),
        (b'["\\ud800"]', "text", '["\\ud800"]'),
        (b"[" * 100_000, "text", "[" * 100_000),
        (b"9" * 5000, "text", "9" * 5000),
        (b"\x89PNG\r\n", "base64", "iVBORw0K"),
        (b"\x1b[2J", "base64", "G1sySg=="),
        (b"\xed\xa0\x80", "base64", "7aCA"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_it_is_told_by_the_bytes(body: bytes, encoding: reply.Encoding, value: Any) -> None:
    assert reply.read(body) == reply.Reply(encoding, value)


@given(
    st.binary()
    | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.floats().map(str).map(str.encode)
)
def test_what_is_told_is_json_everywhere_and_loses_nothing(body: bytes) -> None:
    found = reply.read(body)
    printed = json.dumps(found.value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    if found.encoding == "json":
        assert json.loads(body) == json.loads(printed)
    elif found.encoding == "text":
        assert json.loads(printed).encode("utf-8") == body
    else:
        assert base64.b64decode(json.loads(printed)) == body


@pytest.mark.parametrize(
    ("body", "text"),
    [(b"cat\tdog\r\n", True), (b"\x1b]0;title\x07", False), (b"a\0b", False), (b"\xff", False), (b"\xc2\x9b", False)],
)
def test_what_could_drive_a_terminal_is_no_text(body: bytes, text: bool) -> None:
    assert reply.is_text(body) is text
