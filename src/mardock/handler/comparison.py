"""Comparing two answers of a model: numbers in JSON within a tolerance, text line by line, anything else by digest."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["json", "text", "binary"]
_LONGEST = 80


@dataclass(frozen=True)
class Tolerance:
    """How far two numbers may lie apart: `atol + rtol * abs(expected)`, unless both are integers."""

    rtol: float = 1e-4
    atol: float = 1e-6

    def allows(self, expected: float, actual: float) -> bool:
        """Say whether `actual` is close enough; a NaN equals a NaN, an infinity only itself."""
        if math.isnan(expected) or math.isnan(actual):
            return math.isnan(expected) and math.isnan(actual)
        if expected == actual:
            return True
        return math.isfinite(expected) and abs(expected - actual) <= self.atol + self.rtol * abs(expected)


@dataclass(frozen=True)
class Content:
    """The body of an answer as it is compared: parsed JSON, text, or `{"sha256": …, "size": …}` of binary data."""

    kind: Kind
    value: Any


def read(body: bytes) -> Content:
    """Tell what kind of answer a body is."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return Content("binary", {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)})
    try:
        return Content("json", json.loads(text))
    except ValueError:
        return Content("text", text)


def differences(expected: Content, actual: Content, tolerance: Tolerance) -> list[str]:
    """Return a line for each place where two answers differ, e.g. `$.score: expected 0.91, got 0.85`."""
    if expected.kind != actual.kind:
        return [f"expected {expected.kind}, got {actual.kind}: {_shown(actual.value)}"]
    if expected.kind == "text":
        lines = difflib.unified_diff(expected.value.splitlines(), actual.value.splitlines(), lineterm="", n=1)
        return list(lines)[2:] or ([] if expected.value == actual.value else ["the line ends differ"])
    return list(_in_json("$", expected.value, actual.value, tolerance))


def _in_json(path: str, expected: Any, actual: Any, tolerance: Tolerance) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in {**expected, **actual}:
            if key not in actual or key not in expected:
                yield f"{path}.{key}: {'is missing' if key in expected else 'was not expected'}"
            else:
                yield from _in_json(f"{path}.{key}", expected[key], actual[key], tolerance)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield f"{path}: expected {len(expected)} items, got {len(actual)}"
            return
        for i, (one, other) in enumerate(zip(expected, actual)):
            yield from _in_json(f"{path}[{i}]", one, other, tolerance)
    elif not _same(expected, actual, tolerance):
        yield f"{path}: expected {_shown(expected)}, got {_shown(actual)}"


def _same(expected: Any, actual: Any, tolerance: Tolerance) -> bool:
    if _is_number(expected) and _is_number(actual) and float in (type(expected), type(actual)):
        return tolerance.allows(expected, actual)
    return type(expected) is type(actual) and bool(expected == actual)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
