"""TorchServe's key file, wherever an engine reads it from: its tokens as they are now, renewed before they expire."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, Optional

from mardock.endpoint import Endpoint
from mardock.errors import EngineError

_EARLY = timedelta(seconds=30)


@dataclass
class KeyFile:
    """Credentials that read the key file again when a token was refused or is about to expire; for several threads.

    A token that is renewed, by whomever, stands in the file alone, and the one before stops working at once. Every
    method raises EngineError when the file cannot be read, and ApiError when the server refuses to renew a token.

    Attributes:
        endpoint: the server, without tokens; its Management API renews them.
        read: returns the text of key_file.json as it is now.
    """

    endpoint: Endpoint
    read: Callable[[], str] = field(compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, compare=False, repr=False)
    _keys: Any = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._keys = _parse(self.read())

    def inference(self, refused: Optional[str] = None) -> str:
        """Return the token of the Inference API; see `Credentials`."""
        return self._token("inference", refused)

    def management(self, refused: Optional[str] = None) -> str:
        """Return the token of the Management API; see `Credentials`."""
        return self._token("management", refused)

    def _token(self, kind: Literal["inference", "management"], refused: Optional[str]) -> str:
        with self._lock:
            if self._keys[kind]["key"] == refused or _expires(self._keys[kind]):
                self._keys = _parse(self.read())
            if _expires(self._keys[kind]):
                from mardock.client import tokens

                tokens.renew(self.endpoint, self._keys["API"]["key"], kind)
                self._keys = _parse(self.read())
            return str(self._keys[kind]["key"])


def _expires(entry: Any) -> bool:
    return datetime.now(timezone.utc) + _EARLY >= _instant(entry["expiration time"])


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
