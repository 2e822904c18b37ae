"""What a command that changes a cloud tells when it is interrupted: how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mardock.cli import console

AGAIN = "run this command again, and it goes on where it was"


@contextmanager
def resumable(then: str = AGAIN) -> Iterator[None]:
    """Tell how to go on when the block is interrupted, which it stays."""
    try:
        yield
    except KeyboardInterrupt:
        console.note(f"the cloud goes on with what it was told to do; {then}")
        raise
