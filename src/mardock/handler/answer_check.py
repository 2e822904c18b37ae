"""Answers TorchServe sends without a word, and that a client cannot read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch

from mardock.handler.outcome import Reply

_TENSOR = (
    "a Tensor for an answer, as list(tensor) makes them, is sent as the bytes of torch.save, which only torch can read:"
    " return tensor.tolist()"
)
_NO_JSON = (
    "which is no JSON, so that most clients refuse all of it: return None or a string in its place, e.g."
    " x if math.isfinite(x) else None"
)


def unfit(returned: Any, replies: Sequence[Reply]) -> list[str]:
    """Return a sentence for each kind of answer that is served, but that only Python or only torch can read.

    Args:
        returned: what the handler returned: a list, where there are replies.
        replies: what TorchServe makes of it.
    """
    faults: dict[str, None] = {}
    for result, reply in zip(returned if replies else (), replies):
        if isinstance(result, torch.Tensor):
            faults[_TENSOR] = None
        constants = _constants(result, reply.body)
        if constants:
            faults[f"an answer holds {constants[0]}, {_NO_JSON}"] = None
    return list(faults)


def _constants(result: Any, body: bytes) -> list[str]:
    """Return the constants in JSON that are Python's own; of a string only where it holds an array or an object."""
    found: list[str] = []
    if isinstance(result, (str, bytes, bytearray)) and body.lstrip()[:1] not in (b"[", b"{"):
        return found
    try:
        json.loads(body, parse_constant=found.append)
    except (ValueError, RecursionError):
        return []  # text, or whatever the handler says it is
    return found
