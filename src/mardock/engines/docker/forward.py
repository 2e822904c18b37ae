"""Running a command in a container as if it ran here: its terminal, its exit code, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mardock import process

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
    with _signals() as arrived:
        code = process.attach(["docker", "exec", "--env", mark, *terminal, container, *argv])
    if arrived:
        # Without a terminal a signal ends the docker command alone, with exit code 0, and what it started goes on.
        process.run(["docker", "exec", container, "python", "-c", _END_MARKED, mark], timeout=TIMEOUT)
        return 128 + arrived[0]
    return code


@contextmanager
def _signals() -> Iterator[bytearray]:
    """Collect the numbers of the signals that arrive meanwhile, whoever handles them."""
    arrived = bytearray()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield arrived
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        arrived += os.read(reader, 64)
        os.close(reader)
