"""The process a trial runs in, seen from the one that waits for it."""

from __future__ import annotations

import os
import signal
import time

from mardock.handler.child import Child

FEW_SECONDS = 60.0


class Slow(Child):
    """One whose parent does nothing after it has handed over the job until the child has interrupted it."""

    def _send(self, part: bytes) -> None:
        super()._send(part)
        if len(part) == 1:
            deadline = time.monotonic() + FEW_SECONDS
            while not self.interrupted and time.monotonic() < deadline:
                time.sleep(0.01)


def nothing() -> None:
    """Prepare nothing."""


def interrupt(parent: int) -> None:
    """Do what a terminal does at Ctrl-C, then go on until the parent passes it on."""
    os.kill(parent, signal.SIGINT)
    time.sleep(FEW_SECONDS)


def test_ctrl_c_reaches_the_child_however_early_it_comes() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Slow(nothing, interrupt) as child:
        assert child.run(os.getpid()) == 0
    assert child.interrupted
    assert signal.getsignal(signal.SIGINT) is before
