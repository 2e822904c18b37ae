"""Cause: why a model failed, as data; `words` puts it into sentences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional

from mardock.causes.remedies import Remedy
from mardock.errors import Reason


class Owner(Enum):
    """Whose code a call is in."""

    USER = "user"
    LIBRARY = "library"
    SERVER = "server"  # TorchServe, mardock, and what Python itself does to run them


@dataclass(frozen=True)
class Call:
    """One call of a traceback.

    Attributes:
        path: of the file, as whoever is told knows it: of the user's own the project's path.
        function: empty for a syntax error.
        code: the line, where it is known.
    """

    path: str
    line: int
    function: str
    code: str = ""
    owner: Owner = Owner.USER


@dataclass(frozen=True)
class Link:
    """One exception of a chain: `Type: message` as Python printed it, and its calls, the innermost last."""

    exception: str
    calls: tuple[Call, ...] = ()

    @property
    def user_calls(self) -> list[Call]:
        """The calls in the user's own files, the innermost first."""
        return [call for call in reversed(self.calls) if call.owner is Owner.USER]


@dataclass(frozen=True)
class Room:
    """What a server has left where it unpacks archives and its workers keep temporary files.

    Attributes:
        found: how much, and where, e.g. `/tmp has 1,000 bytes free`.
        mend: what makes more.
        lacks: how many bytes there should be; None when there is enough, or nobody knows.
    """

    found: str
    mend: str
    lacks: Optional[int] = None


@dataclass(frozen=True)
class Cause:
    """Why a model failed.

    Attributes:
        reason: what kind of failure it is.
        chain: the exceptions, the one to tell first and then what it was raised from, the nearest first.
        said: TorchServe's own sentence where nothing was raised.
        remedy: the edit that mends it, when that is known.
        output: what was printed last: by the model's code, by pip, or by TorchServe as it ended.
        model: the name it is served under.
        room: looked at when a disk may be full.
    """

    reason: Reason
    chain: tuple[Link, ...] = ()
    said: str = ""
    remedy: Optional[Remedy] = None
    output: str = ""
    model: Optional[str] = None
    room: Optional[Room] = None

    @property
    def exception(self) -> str:
        """What to call it: `Type: message`, or TorchServe's sentence; empty when neither was written."""
        return self.chain[0].exception if self.chain else self.said

    @property
    def user_call(self) -> Optional[Call]:
        """Where in the user's own files it happened."""
        return next(iter(self.chain[0].user_calls), None) if self.chain else None
