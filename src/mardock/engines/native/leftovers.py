"""Processes that outlived their JVM: a busy worker survives its SIGKILL for ever."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

MARKER = "MARDOCK_NATIVE"
"""Set in the server's environment, which its workers inherit, to the engine's home folder."""


_WAIT_S = 5.0


def reap(home: Path, temp: Path) -> None:
    """Kill what a dead server of this home left running.

    Args:
        home: the engine's home folder.
        temp: the server's temp folder, where its workers' sockets are.
    """
    import psutil

    found = list(_ours(home, temp))
    for orphan in found:
        try:
            orphan.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(found, timeout=_WAIT_S)


def see_off(pid: int) -> None:
    """Wait for a process that is about to end, and kill it when it does not."""
    import psutil

    try:
        ending = psutil.Process(pid)
        try:
            ending.wait(_WAIT_S)
        except psutil.TimeoutExpired:
            ending.kill()
    except psutil.NoSuchProcess:
        return


def _ours(home: Path, temp: Path) -> Iterator[psutil.Process]:
    import psutil

    for candidate in psutil.process_iter():
        try:
            if candidate.pid == os.getpid() or candidate.uids().real != os.getuid():
                continue
            if candidate.environ().get(MARKER) == str(home) or any(
                argument.startswith(f"{temp}/.ts.sock.") for argument in candidate.cmdline()
            ):
                yield candidate
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
