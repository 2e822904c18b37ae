"""The names of side versions: those mardock serves beside a model's own, e.g. `1.0-w0002` beside `1.0`.

They are told apart by their suffix alone, by every command and by whoever reads a log, so this is the one place that
knows them. Each is served from a folder of the model store, e.g. `.mnist-1.0-w0002`; TorchServe skips hidden entries
when it loads all of a store. Numbers have leading zeros, so that names sort as they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple, Optional


class Kind(Enum):
    """Why a side version is there; the value is its suffix, with `#` for the digits of its number."""

    WATCHED = "-w####"
    INSTANT = "-i####"
    TUNED = "-t##"
    DEBUGGED = "-debug"
    NEXT = "-next"

    @property
    def numbered(self) -> bool:
        """Whether there may be several of it."""
        return "#" in self.value

    @property
    def pattern(self) -> str:
        """A regular expression of the suffix, the number in its group."""
        letters = self.value.rstrip("#")
        return letters + rf"(\d{{{self.value.count('#')},}})" * self.numbered


_SUFFIXES = {kind: re.compile(f"(.+){kind.pattern}") for kind in Kind}
_DIGEST = r"[0-9a-f]{12}"

FOLDER = rf"\.[^/\\]+(?:{'|'.join(kind.pattern.replace('(', '(?:') for kind in Kind)}|-{_DIGEST})"
"""A regular expression of the folders mardock lays out in a store: of side versions, and of models served unpacked."""

RELOADING_HANDLER = "mardock_reloading.py"
DEBUG_HANDLER = "mardock_debug.py"

OWN_HANDLERS = (RELOADING_HANDLER, DEBUG_HANDLER)
"""Files in such a folder that are mardock's own and call the model's handler."""


class SideName(NamedTuple):
    """A side version's name in its parts: the version it stands beside, its kind and its number (0 without one)."""

    base: str
    kind: Kind
    number: int = 0

    def __str__(self) -> str:
        letters = self.kind.value.rstrip("#")
        return f"{self.base}{letters}" + f"{self.number:0{self.kind.value.count('#')}}" * self.kind.numbered


def parse(version: str) -> Optional[SideName]:
    """Return a side version's name in its parts; None for a version that is the user's own."""
    for kind, pattern in _SUFFIXES.items():
        if found := pattern.fullmatch(version):
            return SideName(found[1], kind, int(found[2]) if kind.numbered else 0)
    return None


def following(base: str, kind: Kind, taken: Iterable[str]) -> SideName:
    """Return the first name behind all side versions of `base` that were taken, whatever their kind."""
    known = (parse(version) for version in taken)
    last = max((name.number for name in known if name and name.base == base), default=0)
    return SideName(base, kind, last + 1)


def folder(model: str, version: str) -> str:
    """Return the name of a side version's folder in the model store."""
    return f".{model}-{version}"
