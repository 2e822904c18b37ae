"""Where in mardock.toml a key stands, so that what is said of it can name the line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Optional


class Lines:
    """The lines of a TOML text."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    @classmethod
    def of(cls, path: Path) -> Lines:
        """Read a file; one that cannot be read any more has none."""
        try:
            return cls(path.read_text(encoding="utf-8-sig", errors="replace"))
        except OSError:
            return cls("")

    def setting(self, location: Sequence[str]) -> Optional[int]:
        """Return the line that sets a key, be it in braces; None when none does."""
        line = self._look(location)[1]
        names = re.escape(location[-1])
        return line if line and re.search(rf"(?<![\w-]){names}[\"']?\s*=", self._lines[line - 1]) else None

    def nearest(self, location: Sequence[str]) -> Optional[int]:
        """Return the line that sets a key, or the header of its table when the key is not there."""
        header, line = self._look(location)
        return line or header

    def _look(self, location: Sequence[str]) -> tuple[Optional[int], Optional[int]]:
        table: list[str] = []
        found = None
        for number, line in enumerate(self._lines, 1):
            header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
            if header:
                table = _parts(header[1])
                if table == list(location[: len(table)]):
                    found = number
                continue
            key = re.match(r"\s*([\w.\-\"']+)\s*=", line)
            if key:
                path = table + _parts(key[1])
                if path == list(location[: len(path)]):
                    return found, number
        return found, None


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
