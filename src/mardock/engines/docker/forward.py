"""Running a command in a container as if it ran here: its terminal, its exit code, and Ctrl-C."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from mardock import process

INTERRUPTED = (130, -2)  # how the docker command ends at Ctrl-C
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
    code = process.attach(["docker", "exec", "--env", mark, *terminal, container, *argv])
    if code in INTERRUPTED and not interactive:
        # Without a terminal Ctrl-C reaches the docker command alone, and what it started would go on.
        process.run(["docker", "exec", container, "python", "-c", _END_MARKED, mark], timeout=TIMEOUT)
        return INTERRUPTED[0]
    return code
