"""What a watch tells as it goes: a version serves, one was refused, or a plain sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional, Union

from mardock.errors import MardockError
from mardock.listener import Silent


@dataclass(frozen=True)
class Swapped:
    """New code or data serves.

    Attributes:
        what: what serves now, e.g. `mnist 1.0-w0002`.
        changed: the members that were saved; empty when it was not a save that brought it.
        seconds: from the save to the first prediction by default that it answers.
        answer: what it said to the sample, None when there is none.
    """

    what: str
    changed: tuple[str, ...]
    seconds: float
    answer: Optional[bytes] = None


@dataclass(frozen=True)
class Refused:
    """What was saved does not serve; `serving` is what goes on serving, None when nothing does."""

    error: MardockError
    serving: Optional[str]


@dataclass(frozen=True)
class Said:
    """Anything else worth knowing."""

    text: str


Event = Union[Swapped, Refused, Said]
Report = Callable[[Event], None]


class Sayings(Silent):
    """A listener whose notes are told as events."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def note(self, text: str) -> None:
        """Tell it."""
        self._report(Said(text))
