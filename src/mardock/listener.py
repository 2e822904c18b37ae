"""Listener: who is told how far a long job is, be it a terminal, a page, or nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Callable, Protocol

Advance = Callable[[int, int], None]
"""Called with the units done so far and in all."""


class Listener(Protocol):
    """What every long job takes; `cli.console` is one, as a module."""

    def note(self, text: str) -> None:
        """Hear in a line what is being done."""
        ...

    def warn(self, text: str) -> None:
        """Hear what the user should know but need not mend."""
        ...

    def waiting(self, title: str) -> AbstractContextManager[None]:
        """Hear that something is awaited for as long as the block lasts."""
        ...

    def progress(self, title: str) -> AbstractContextManager[Advance]:
        """Hear that something takes long, and give what is told how far it is."""
        ...


class Silent:
    """A listener for jobs nobody follows; what one hears alone is what a subclass overrides."""

    def note(self, text: str) -> None:
        """Hear nothing."""

    def warn(self, text: str) -> None:
        """Hear nothing."""

    @contextmanager
    def waiting(self, title: str) -> Iterator[None]:
        """Hear nothing."""
        yield

    @contextmanager
    def progress(self, title: str) -> Iterator[Advance]:
        """Hear nothing."""
        yield lambda done, total: None


SILENT: Listener = Silent()
