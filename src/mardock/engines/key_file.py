"""TorchServe's key file, wherever an engine reads it from: its tokens, renewed before they expire."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from mardock.endpoint import Endpoint
from mardock.errors import EngineError

_EARLY = timedelta(seconds=30)


def with_tokens(endpoint: Endpoint, read: Callable[[], str]) -> Endpoint:
    """Return the endpoint with the running server's tokens; those about to expire are renewed first.

    Args:
        read: returns the text of key_file.json as it is now.

    Raises:
        EngineError: the text is not a key file's.
        ApiError: the server refused to renew a token.
    """
    keys = _parse(read())
    for kind in ("management", "inference"):
        if datetime.now(timezone.utc) + _EARLY >= _instant(keys[kind]["expiration time"]):
            from mardock.client import tokens

            tokens.renew(endpoint, keys["API"]["key"], kind)
            keys = _parse(read())
    return replace(endpoint, inference_token=keys["inference"]["key"], management_token=keys["management"]["key"])


def _parse(text: str) -> Any:
    try:
        keys = json.loads(text)
        for kind in ("management", "inference"):
            _instant(keys[kind]["expiration time"])
            str(keys[kind]["key"])
        str(keys["API"]["key"])
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(
            "TorchServe's key file cannot be read", hint="mardock down && mardock up makes a new one"
        ) from error
    return keys


def _instant(text: str) -> datetime:
    """Parse Java's Instant, e.g. `2026-01-31T12:00:00.123456Z`, to the second."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
