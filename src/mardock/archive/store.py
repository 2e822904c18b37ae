"""The model store while an archive is being written: one writer per name, and nothing left behind by a dead one.

The draft of an archive is its own lock. Its name is fixed (`.mnist.mar.tmp`) and its writer holds an flock on it, so a
second writer waits, and a draft nobody holds belongs to a process that was killed.
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Optional

from mardock import locks, ownership, permissions
from mardock.errors import ArchiveError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a system says when there is no room left for a file."""

_LARGE = 32 << 20
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE


class Draft:
    """An archive being written beside `target`; leaving the context deletes it unless it was committed.

    Raises:
        ArchiveError: the store is missing or not writable, or another process still writes this archive
            after `timeout` seconds.
    """

    def __init__(self, target: Path, timeout: float) -> None:
        self.target = target
        self.path = target.parent / f".{target.name}.tmp"
        self._timeout = timeout

    def __enter__(self) -> Draft:
        if not self.target.parent.is_dir():
            raise ArchiveError(
                f"there is no model store {self.target.parent}", hint=f"mkdir -p {shlex.quote(str(self.target.parent))}"
            )
        _sweep(self.target.parent)
        try:
            fd = locks.take(self.path, timeout=self._timeout)
        except OSError as error:
            raise permissions.refused(error, self.path, kind=ArchiveError) from error
        if fd is None:
            raise ArchiveError(
                f"{self.target.name} is being written by another process, for more than {self._timeout:g} s",
                hint="wait for it to end, then run the command again",
            )
        self.fd = fd
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], at: Optional[TracebackType]
    ) -> None:
        self.discard()
        os.close(self.fd)

    def empty(self) -> None:
        """Drop what a dead writer or an earlier attempt has written."""
        if os.fstat(self.fd).st_size:  # ext4 flushes a file on close once it was truncated, even from 0 to 0 bytes
            os.ftruncate(self.fd, 0)
        os.lseek(self.fd, 0, os.SEEK_SET)

    def reserve(self, size: int) -> None:
        """Have room set aside for that many bytes, which is quicker than finding it while they are written.

        Raises:
            OSError: there is not so much.
        """
        if size >= _LARGE:
            _allocate(self.fd, size)

    def commit(self) -> None:
        """Give the draft its final name, replacing what was there."""
        ownership.adopt([self.path])
        self.path.replace(self.target)

    def discard(self) -> None:
        """Delete the draft and free its bytes; nothing happens after a commit."""
        if locks.is_at(self.fd, self.path):
            self.path.unlink()
            os.ftruncate(self.fd, 0)


def _allocate(fd: int, size: int) -> None:
    """Call Linux's fallocate: `os.posix_fallocate` would write into each block where the file system has none."""
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if call is None or sys.maxsize < 1 << 32:
        return
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call(fd, _KEEP_SIZE, 0, size) and ctypes.get_errno() in DISK_FULL:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _sweep(store: Path) -> None:
    for path in store.glob(".*.mar.tmp"):
        # An error: it is gone, or another user's, who sweeps it.
        with suppress(OSError), locks.attempt(path, make=False) as orphan:
            if orphan is not None:
                path.unlink()
