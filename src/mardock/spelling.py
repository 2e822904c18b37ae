"""The name that was meant by one that is unknown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional


def did_you_mean(name: str, known: Iterable[str], *, most: int = 1, similarity: float = 0.6) -> Optional[str]:
    """Return the question whether a name means one of those known, as a hint; None when it is like none of them.

    Neither case nor underscores make a difference.

    Args:
        most: how many to ask for, the likest first.
        similarity: how like a name has to be, of 1.
    """
    from difflib import get_close_matches  # here, for what is spelt rightly needs none of it

    names = {_plain(one): one for one in known}
    close = get_close_matches(_plain(name), names, n=most, cutoff=similarity)
    return f"did you mean {', '.join(names[one] for one in close)}?" if close else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
