"""A child process, forked before torch is imported, that prepares itself while its parent finds out what it is to do.

A handler may hang, exit, exhaust the memory or crash the interpreter: in a process of its own that is a result, not the
end of the command. Forking costs a millisecond and leaves the terminal's input to the child, so that pdb works.
Where another Python has torch, the fork becomes that one, which needs no mardock: it is told where this one lies.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, BinaryIO, Callable, NoReturn, Optional

from mardock import portable

_PACKAGE = Path(__file__).parents[1]
# Not by PYTHONPATH: that would let the other Python import all that is installed beside mardock.
_BECOME = """
import importlib.util, sys
folder, reader = sys.argv[1:]
sys.path[:] = [entry for entry in sys.path if entry]
spec = importlib.util.spec_from_file_location("mardock", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["mardock"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["mardock"])
from mardock.handler.child import live
live(int(reader))
"""


class Child:
    """A context that ends the child and whatever that has started.

    The child's standard output goes to the standard error, where prints belong that are no result.

    Args:
        prepare: run by the child at once.
        work: run by the child on the job it is given; a function of a module of mardock's.
        python: what runs them; this very interpreter when None.

    Attributes:
        mouth: what the child may write lines to, for its parent to hear: a file descriptor of the child's.
    """

    def __init__(
        self, prepare: Callable[[], object], work: Callable[..., object], *, python: Optional[Path] = None
    ) -> None:
        self._prepare, self._work, self._python = prepare, work, python
        self.interrupted = False

    def __enter__(self) -> Child:
        sys.stdout.flush()
        sys.stderr.flush()
        reader, self._writer = os.pipe()
        ear, self.mouth = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writer)
            os.close(ear)
            self._live(reader)
        os.close(reader)
        os.close(self.mouth)
        self._ear = os.fdopen(ear, encoding="utf-8", errors="replace")
        self._running = True
        if self._python is not None:
            self._send(portable.dumps((self._prepare, self._work)))
        return self

    def move_to(self, python: Path) -> None:
        """Begin anew as another Python, before there is a job."""
        self.__exit__(None, None, None)
        self._python = python
        self.__enter__()

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        os.close(self._writer)
        self._ear.close()
        if self._running:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)  # what the handler has started

    def run(self, *job: Any, hear: Optional[Callable[[str], None]] = None) -> int:
        """Hand the child its job, wait for its end and return its exit code, 128 and more for a signal.

        Ctrl-C interrupts the child first, so that it can tell where it was; once more, and the child is killed.

        Args:
            hear: told each line the child writes to `mouth`. All that the child has started ends before this then.
        """
        message = portable.dumps(job)
        self._send(message[:-1])
        with self._passing_on_ctrl_c():
            self._send(message[-1:])  # with it the child begins
            if hear is not None:
                for line in self._ear:
                    hear(line.rstrip("\n"))
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
        os.setsid()
        if self._python is None:
            _live(lambda pipe: (self._prepare, self._work), reader)
        for descriptor in (reader, self.mouth):
            os.set_inheritable(descriptor, True)  # noqa: FBT003
        try:
            os.dup2(2, 1)
            os.execv(self._python, [str(self._python), "-c", _BECOME, str(_PACKAGE), str(reader)])  # noqa: S606
        except OSError as error:
            sys.stderr.write(f"cannot run {self._python}: {error.strerror}\n")
            sys.stderr.flush()
        os._exit(1)


def live(reader: int) -> NoReturn:
    """Be the child, in another Python than its parent's.

    Args:
        reader: where what it is to do comes from.
    """
    _live(pickle.load, reader)


def _live(told: Callable[[BinaryIO], tuple[Callable[[], object], Callable[..., object]]], reader: int) -> NoReturn:
    code = 1
    try:
        _reopen_standard_streams()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        with open(reader, "rb") as pipe:
            prepare, work = told(pipe)
            prepare()
            job = pickle.load(pipe)  # noqa: S301 - from this very program
        work(*job)
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
