"""The versions a watch registers: `1.0-w0001`, `1.0-w0002`, … for the model whose own version is `1.0`.

The number has four digits, so that names sort as they came. `1.0-i0003` is served by a reloading handler.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Kind = Literal["w", "i"]
_OURS = re.compile(r"-[wi](\d{4,})")


def following(base: str, taken: Iterable[str], kind: Kind = "w") -> str:
    """Return the first version behind all of those that were taken."""
    numbers = (_number(version, base) for version in taken)
    return f"{base}-{kind}{max(numbers, default=0) + 1:04}"


def made_by_watch(version: str, base: str) -> bool:
    """Say whether a version is one a watch made for a model of version `base`."""
    return _number(version, base) > 0


def _number(version: str, base: str) -> int:
    found = _OURS.fullmatch(version[len(base) :]) if version.startswith(base) else None
    return int(found[1]) if found else 0
