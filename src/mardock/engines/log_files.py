"""TorchServe's log files, read from the end and followed across rotations."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from mardock import permissions

SERVER_LOG = "ts_log.log"
"""The file in the logs folder that holds everything, the output of the workers too."""

_POLL_S = 0.1


def last_lines(path: Path, tail: int) -> list[str]:
    """Return the last lines of a file, all of them when `tail` is negative; none when there is no file."""
    try:
        with _opened(path) as file:
            return [line.rstrip("\r\n") for line in _last(file, tail)]
    except FileNotFoundError:
        return []


def lines_from(path: Path, offset: int) -> list[str]:
    """Return the lines after `offset` bytes of a file; none when there is no file."""
    try:
        with _opened(path) as file:
            file.seek(offset)
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def follow(path: Path, tail: int, running: Callable[[], bool]) -> Iterator[str]:
    """Yield the last lines of a file and then what is added to it or to the files that replace it.

    Ends when `running` says that nobody writes any more.
    """
    file = _opened(path)
    try:
        lines = _last(file, tail)
        unfinished = lines.pop() if lines and not lines[-1].endswith("\n") else ""
        yield from (line.rstrip("\r\n") for line in lines)
        while True:
            more = running()  # asked before the last read, so that no line can come between
            for piece in iter(file.readline, ""):
                unfinished += piece
                if unfinished.endswith("\n"):
                    yield unfinished.rstrip("\r\n")
                    unfinished = ""
            if _rotated(path, file):
                file.close()
                file = _opened(path)
            elif not more:
                return
            else:
                time.sleep(_POLL_S)
    finally:
        file.close()


def _opened(path: Path) -> TextIO:
    with permissions.told():
        return path.open(encoding="utf-8", errors="replace", newline="\n")


def _last(file: TextIO, tail: int) -> list[str]:
    return list(deque(iter(file.readline, ""), maxlen=None if tail < 0 else tail))


def _rotated(path: Path, file: TextIO) -> bool:
    try:
        now = path.stat()
    except FileNotFoundError:
        return False  # between the rename and the new file
    opened = os.fstat(file.fileno())
    return (now.st_ino, now.st_dev) != (opened.st_ino, opened.st_dev)
