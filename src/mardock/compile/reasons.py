"""Why a candidate could not be made, in one line of what torch says in many."""

from __future__ import annotations

import re
import signal
from pathlib import Path

_LONGEST = 200
_PLACE = re.compile(r'File "(?P<path>[^"]+)", line (?P<line>\d+)')


def first_line(error: BaseException) -> str:
    """Return the exception's first line that says something, and the user's line it is about when torch names it."""
    text = str(error).strip()
    lines = [line.strip().rstrip(":") for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    if not first.endswith(("Error", "Exception")) and type(error) not in (RuntimeError, ValueError, TypeError):
        first = f"{type(error).__name__}: {first}"
    place = _PLACE.search(text)
    where = f" ({Path(place['path']).name}:{place['line']})" if place else ""
    return first[:_LONGEST] + where


def death(exit_code: int, said: str) -> str:
    """Return how a process ended that was to answer, and what it said last."""
    if exit_code >= 0:
        return f"its process ended with exit code {exit_code}" + (f": {said[:_LONGEST]}" if said else "")
    name = signal.Signals(-exit_code).name
    return f"its process died of {name}" + (", as of too little memory" if name == "SIGKILL" else "")
