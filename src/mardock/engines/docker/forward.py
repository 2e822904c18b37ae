"""Running a command in a container as if it ran here: its terminal, its exit code, and Ctrl-C."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Optional

from mardock import process

INTERRUPTED = 130
TIMEOUT = 10
_END_MARKED = """
import os, pathlib, signal, sys
for entry in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        marked = sys.argv[1].encode() in (entry / "environ").read_bytes().split(b"\\0")
        if marked and entry.name != str(os.getpid()):
            os.kill(int(entry.name), signal.SIGINT)
    except OSError:
        pass  # it ended meanwhile, or is another user's
"""


def forward(container: str, argv: Sequence[str], *, interactive: bool) -> int:
    """Run a command in a running container, its output on ours, and return its exit code.

    Args:
        interactive: whether it gets this terminal.
    """
    mark = f"MARDOCK_EXEC={uuid.uuid4().hex}"
    terminal = ["--interactive", "--tty"] if interactive else []
    with _interrupts() as interrupts:
        code = process.attach(["docker", "exec", "--env", mark, *terminal, container, *argv])
    if interrupts:
        # Without a terminal Ctrl-C ends the docker command alone, with exit code 0, and what it started goes on.
        process.run(["docker", "exec", container, "python", "-c", _END_MARKED, mark], timeout=TIMEOUT)
        return INTERRUPTED
    return code


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collect the Ctrl-Cs that arrive meanwhile."""
    seen: list[int] = []

    def note(number: int, frame: Optional[FrameType]) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
