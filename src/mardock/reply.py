"""What a model's answer is, told by its bytes alone, for TorchServe declares no content type: JSON, text or neither."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, Literal, Optional

_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")  # what text does not hold, and what could drive a terminal

Encoding = Literal["json", "text", "base64"]


@dataclass(frozen=True)
class Reply:
    """An answer as a value that JSON can hold, from which its bytes or their meaning can be had again.

    Attributes:
        encoding: what `value` is: parsed JSON, the text itself, or the bytes as base64.
    """

    encoding: Encoding
    value: Any


def read(body: bytes) -> Reply:
    """Tell what an answer is.

    What only some parsers take for JSON (NaN, lone surrogates, numbers that would come out as others) stays text.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return _bytes(body)
    try:
        value = json.loads(text)
        inside = [[[[value]]]]  # as deep as it may come to stand in what is printed
        json.dumps(inside, allow_nan=False, ensure_ascii=False, indent=2).encode("utf-8")
    except (ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        return _bytes(body) if _CONTROL.search(text) else Reply("text", text)
    if isinstance(value, (int, float)) and json.dumps(value) != text.strip():
        return Reply("text", text)  # 1.10 may be a name
    return Reply("json", value)


def to_dict(body: bytes) -> dict[str, Any]:
    """Return an answer as `--json` prints it everywhere."""
    known = read(body)
    return {"size": len(body), "encoding": known.encoding, "answer": known.value}


def in_words(body: bytes, content_type: Optional[str] = None) -> str:
    """Return a text without what surrounds it, or how large an answer is that is none, for people."""
    return body.decode("utf-8").strip() if is_text(body) else f"<{described(body, content_type)}>"


def described(body: bytes, content_type: Optional[str] = None) -> str:
    """Return how large an answer is, and of which type where that was declared."""
    return f"{len(body):,} bytes" + (f" of {content_type}" if content_type else "")


def is_text(body: bytes) -> bool:
    """Whether an answer can be shown to a person as it is."""
    try:
        return _CONTROL.search(body.decode("utf-8")) is None
    except UnicodeDecodeError:
        return False


def _bytes(body: bytes) -> Reply:
    return Reply("base64", base64.b64encode(body).decode("ascii"))
