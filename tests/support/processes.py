"""Whether a process that a test knows by its id still runs."""

from __future__ import annotations

import psutil


def is_running(pid: int) -> bool:
    """Say whether it does; one that ended and that nobody asked for yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # also when it ends while it is asked
        return False
