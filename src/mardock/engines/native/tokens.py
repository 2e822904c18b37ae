"""TorchServe's key file: its tokens, renewed before they expire."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from mardock.endpoint import Endpoint
from mardock.errors import EngineError

_EARLY = timedelta(seconds=30)
_log = logging.getLogger(__name__)


def with_tokens(endpoint: Endpoint, key_file: Path) -> Endpoint:
    """Return the endpoint with the tokens of the running server's key file, renewed when they are about to expire.

    Raises:
        EngineError: the file is missing or unreadable.
        ApiError: the server refused to renew one.
    """
    _keep_private(key_file)
    keys = _read(key_file)
    for kind in ("management", "inference"):
        if datetime.now(timezone.utc) + _EARLY >= _instant(keys[kind]["expiration time"]):
            from mardock.client import tokens

            tokens.renew(endpoint, keys["API"]["key"], kind)
            keys = _read(key_file)
    return replace(endpoint, inference_token=keys["inference"]["key"], management_token=keys["management"]["key"])


def _keep_private(key_file: Path) -> None:
    try:
        if key_file.stat().st_mode & 0o077:
            _log.warning("%s could be read by others; it is made private now", key_file)
            key_file.chmod(0o600)
    except OSError as error:
        raise _unusable(key_file, error.strerror or str(error)) from error


def _read(key_file: Path) -> Any:
    try:
        keys = json.loads(key_file.read_text(encoding="utf-8"))
        for kind in ("management", "inference"):
            _instant(keys[kind]["expiration time"])
            str(keys[kind]["key"])
        str(keys["API"]["key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(key_file, f"{type(error).__name__}") from error
    return keys


def _instant(text: str) -> datetime:
    """Parse Java's Instant, e.g. `2026-01-31T12:00:00.123456Z`, to the second."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)


def _unusable(key_file: Path, cause: str) -> EngineError:
    return EngineError(
        f"TorchServe's tokens cannot be read from {key_file}: {cause}", hint="mardock down && mardock up makes new ones"
    )
