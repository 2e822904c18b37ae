"""Locks on files and folders, which the kernel lets go of when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from mardock import own_folders, ownership, permissions, place
from mardock.errors import EngineError, MardockError

_POLL_S = 0.05


class Holder(NamedTuple):
    """Who holds a lock: its pid, with the place where that counts if it is another one, and what it is doing."""

    process: str
    doing: str


def _busy(holder: Holder) -> MardockError:
    return EngineError(
        f"another mardock command (pid {holder.process}) is {holder.doing}",
        hint=f"wait for it, or end it: kill {holder.process}",
    )


@contextmanager
def hold(
    path: Path, *, doing: str, timeout: float = 0.0, refused: Callable[[Holder], MardockError] = _busy
) -> Iterator[None]:
    """Hold a file, which is made with its folder where it is not there, and keeps who holds it.

    Args:
        doing: what this process is at, for whoever asks meanwhile, e.g. `tuning a model of this project`.
        timeout: seconds to wait for another holder.
        refused: makes the error out of the holder; an EngineError that names it by default.

    Raises:
        MardockError: what `refused` makes, when another process still holds it then.
        EngineError: it cannot be written.
    """
    try:
        own_folders.make(path.parent)
        descriptor = take(path, timeout=timeout)
        ownership.adopt([path.parent, path])
    except OSError as error:
        raise permissions.refused(error, path) from error
    if descriptor is None:
        raise refused(_holder(path, doing))
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.truncate(0)
        file.write(f"{place.this_process()}\n{doing}\n")
        file.flush()
        yield


@contextmanager
def attempt(path: Path, *, timeout: float = 0.0, make: bool = True) -> Iterator[Optional[int]]:
    """Hold a file or a folder inside the block, if nobody else does; see `take`."""
    descriptor = take(path, timeout=timeout, make=make)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def take(path: Path, *, timeout: float = 0.0, make: bool = True) -> Optional[int]:
    """Lock what is at a path and return its open descriptor, which is the lock; None when another process holds it.

    Args:
        timeout: seconds to wait for another holder.
        make: make a file there where there is none, open for writing; else it is there, and may be a folder.

    Raises:
        OSError: it cannot be opened.
    """
    deadline = time.monotonic() + timeout
    while True:
        descriptor = os.open(path, os.O_NOFOLLOW | (os.O_RDWR | os.O_CREAT if make else os.O_RDONLY), 0o666)
        locked = _lock(descriptor)
        if locked and is_at(descriptor, path):
            return descriptor
        os.close(descriptor)
        if not locked:
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_S)


def is_at(descriptor: int, path: Path) -> bool:
    """Say whether an open file still has this name: its last holder may have renamed or deleted it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: Path, doing: str) -> Holder:
    """Return who holds a file; one that has not written who it is yet is doing what others who want the file are."""
    process = told = ""
    with suppress(OSError):
        process, _, told = path.read_text(encoding="utf-8").partition("\n")
    return Holder(place.told_here(process) or "unknown", told.strip() or doing)
