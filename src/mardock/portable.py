"""Values handed from one Python to another of another version: pickled so that each can read them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path, PurePath
from typing import Any

_PROTOCOL = 5  # the newest that Python 3.9 reads


def dumps(value: Any) -> bytes:
    """Return a value as bytes for `pickle.load`, in whatever Python this module can be imported."""
    written = io.BytesIO()
    _Pickler(written, _PROTOCOL).dump(value)
    return written.getvalue()


def path(text: str) -> Path:
    """Return the path of a text."""
    return Path(text)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        # Python 3.13 says of its paths that they come from a module which older ones do not have.
        return (path, (str(value),)) if isinstance(value, PurePath) else NotImplemented
