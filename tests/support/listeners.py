"""Listeners for tests: one that keeps what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mardock.listener import Advance, Silent


class Heard(Silent):
    """Keeps what it is told.

    Attributes:
        notes: the lines, oldest first.
        warnings: likewise.
        advances: the units done and in all.
        on_advance: called at each of them.
    """

    def __init__(self, on_advance: Advance = lambda done, total: None) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.advances: list[tuple[int, int]] = []
        self.on_advance = on_advance

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @contextmanager
    def progress(self, title: str) -> Iterator[Advance]:
        def advance(done: int, total: int) -> None:
            self.advances.append((done, total))
            self.on_advance(done, total)

        yield advance
