"""Processes that outlived their JVM: a busy worker survives its SIGKILL for ever."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

MARKER = "MARDOCK_NATIVE"
"""Set in the server's environment, which its workers inherit, to the engine's home folder."""

_WAIT_S = 5.0
_POLL_S = 0.01


def reap(home: Path, temp: Path) -> None:
    """Kill what a dead server of this home left running.

    Args:
        home: the engine's home folder.
        temp: the server's temp folder, where its workers' sockets are.
    """
    for orphan in list(_ours(home, temp)):
        _kill(orphan)


def see_off(pid: int) -> None:
    """Wait for a process that is about to end, and kill it when it does not."""
    import psutil

    try:
        ending = psutil.Process(pid)
    except psutil.Error:
        return
    if not _ended(ending):
        _kill(ending)


def _kill(process: psutil.Process) -> None:
    import psutil

    try:
        process.kill()
    except psutil.Error:  # gone, or another user's
        return
    _ended(process)


def _ended(process: psutil.Process) -> bool:
    """Wait for an end; a zombie counts, since not every container has an init that buries it."""
    import psutil

    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.Error:
            return True
        time.sleep(_POLL_S)
    return False


def _ours(home: Path, temp: Path) -> Iterator[psutil.Process]:
    import psutil

    for candidate in psutil.process_iter():
        try:
            if candidate.pid == os.getpid() or os.getuid() not in (0, candidate.uids().real):
                continue
            if candidate.environ().get(MARKER) == str(home) or any(
                argument.startswith(f"{temp}/.ts.sock.") for argument in candidate.cmdline()
            ):
                yield candidate
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
