"""A child process, forked before torch is imported, that prepares itself while its parent finds out what it is to do.

A handler may hang, exit, exhaust the memory or crash the interpreter: in a process of its own that is a result, not the
end of the command. Forking costs a millisecond and leaves the terminal's input to the child, so that pdb works.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Callable, NoReturn, Optional


class Child:
    """A context that ends the child and whatever that has started.

    The child's standard output goes to the standard error, where prints belong that are no result.

    Args:
        prepare: run by the child at once.
        work: run by the child on the job it is given.
    """

    def __init__(self, prepare: Callable[[], None], work: Callable[..., None]) -> None:
        self._prepare, self._work = prepare, work
        self.interrupted = False

    def __enter__(self) -> Child:
        sys.stdout.flush()
        sys.stderr.flush()
        reader, self._writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writer)
            self._live(reader)
        os.close(reader)
        self._running = True
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        os.close(self._writer)
        if self._running:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)  # what the handler has started

    def run(self, *job: Any) -> int:
        """Hand the child its job, wait for its end and return its exit code, 128 and more for a signal.

        Ctrl-C interrupts the child first, so that it can tell where it was; once more, and the child is killed.
        """
        message = pickle.dumps(job)
        self._send(message[:-1])
        with self._passing_on_ctrl_c():
            self._send(message[-1:])  # with it the child begins
            _, status = os.waitpid(self._pid, 0)
        self._running = False
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    @contextlib.contextmanager
    def _passing_on_ctrl_c(self) -> Iterator[None]:
        """Hand the first Ctrl-C on; a KeyboardInterrupt could come between any two steps and lose the child."""

        def pass_on(number: int, frame: Optional[FrameType]) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            os.kill(self._pid, signal.SIGINT)

        before = signal.signal(signal.SIGINT, pass_on)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _send(self, part: bytes) -> None:
        """Send to a child that may have died already."""
        with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(self._writer), "wb") as pipe:
            pipe.write(part)

    def _live(self, reader: int) -> NoReturn:
        code = 1
        try:
            os.setsid()
            _reopen_standard_streams()
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            self._prepare()
            with open(reader, "rb") as pipe:
                job = pickle.load(pipe)  # noqa: S301 - from this very program
            self._work(*job)
            sys.stdout.flush()
            code = 0
        except (EOFError, KeyboardInterrupt):  # the parent found that there is nothing to do
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # the parent's own cleaning up must not run twice


def _reopen_standard_streams() -> None:
    """Give the child streams of its own: those of the parent may be captured, or hold text it has not written yet."""
    os.dup2(2, 1)
    if sys.stdin is not None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
