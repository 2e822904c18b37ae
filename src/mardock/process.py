"""Run, spawn and stop other programs: the one module that imports subprocess."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Callable, Optional

from mardock import own_folders, permissions
from mardock.errors import EngineError, EngineNotFoundError

if TYPE_CHECKING:
    import psutil

_POLL_S = 0.02


@dataclass(frozen=True)
class Completed:
    """A finished program: its exit code and what it printed."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class ProcessId:
    """A process that cannot be mistaken for another one after its pid was reused.

    Attributes:
        pid: the process id.
        started: its creation time in seconds since the epoch, as the operating system keeps it.
    """

    pid: int
    started: float


def _not_installed(program: str, cause: OSError) -> EngineNotFoundError:
    return EngineNotFoundError(
        f"cannot run {program}: {cause.strerror or cause}", hint=f"install {program} or put it on PATH"
    )


def run(
    argv: Sequence[str],
    *,
    cwd: Optional[Path] = None,
    env: Optional[Mapping[str, str]] = None,
    timeout: Optional[float] = None,
    stdin: Optional[str] = None,
) -> Completed:
    """Run a program to its end and capture what it prints, whatever its exit code.

    Args:
        timeout: seconds, after which the program and its children are killed.

    Raises:
        EngineNotFoundError: there is no such program.
        EngineError: it took longer than `timeout`.
    """
    try:
        with subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # one group, so that a timeout or Ctrl-C ends its children too
        ) as child:
            try:
                stdout, stderr = child.communicate(stdin, timeout=timeout)
            except BaseException as error:
                _kill_group(child.pid)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise EngineError(f"{argv[0]} did not finish within {timeout:g} s") from error
                raise
    except OSError as error:
        raise _not_installed(argv[0], error) from error
    return Completed(tuple(argv), child.returncode, stdout, stderr)


def attach(argv: Sequence[str], *, cwd: Optional[Path] = None, env: Optional[Mapping[str, str]] = None) -> int:
    """Run a program on this terminal and return its exit code, as shells do 128 + the number of a signal that ended it.

    Ctrl-C reaches the program first and is waited for; SIGTERM and SIGHUP reach only this process and are passed on.
    """
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: Optional[FrameType]) -> None:
        if not children:
            early.append(number)
        elif number != signal.SIGINT:  # which a terminal sends to both
            children[0].send_signal(number)

    with _handled_by(pass_on):
        try:
            children.append(subprocess.Popen(list(argv), cwd=cwd, env=env))
        except OSError as error:
            raise _not_installed(argv[0], error) from error
        for number in early:  # the program may not have been there yet to hear it
            children[0].send_signal(number)
        code = children[0].wait()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, Optional[FrameType]], None]) -> Iterator[None]:
    """Take no part in signals: a KeyboardInterrupt out of `wait` could lose the exit code it has just been given."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def stream(
    argv: Sequence[str], *, cwd: Optional[Path] = None, env: Optional[Mapping[str, str]] = None
) -> Iterator[str]:
    """Yield a program's output (both streams, interleaved) line by line; closing the iterator ends the program.

    Raises:
        EngineError: it ended with a non-zero exit code; `details` holds its last 40 lines.
    """
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise _not_installed(argv[0], error) from error
    last: list[str] = []
    try:
        assert child.stdout is not None
        for line in child.stdout:
            last = [*last[-39:], line.rstrip("\r\n")]
            yield last[-1]
        if child.wait() != 0:
            raise EngineError(f"{' '.join(argv[:3])} failed with exit code {child.returncode}", details="\n".join(last))
    finally:
        if child.poll() is None:
            _kill_group(child.pid)
            child.wait()


def spawn(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: Path) -> ProcessId:
    """Start a program that outlives this one, in a session of its own, its output written to a file."""
    import psutil

    with output.open("ab") as sink:
        try:
            child = subprocess.Popen(
                list(argv), cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
        except OSError as error:
            raise _not_installed(argv[0], error) from error
    child.returncode = 0  # it is meant to stay: keeps Popen.__del__ from complaining that it still runs
    return ProcessId(child.pid, psutil.Process(child.pid).create_time())


def alive(process: ProcessId) -> bool:
    """Say whether this very process still runs; a zombie or a reused pid does not count.

    Of another user's, some systems tell no more than that its pid is taken: it is believed to run then.
    """
    import psutil

    try:
        found = psutil.Process(process.pid)
        return found.create_time() == process.started and found.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return _is_withheld(process.pid)  # /proc may be mounted so that it shows no others


def others(process: ProcessId) -> Optional[str]:
    """Return whose a running process is that this one may not signal; None where it may, or where there is none."""
    if not _is_withheld(process.pid):
        return None
    import psutil

    try:
        return permissions.user(psutil.Process(process.pid).uids().real)
    except psutil.Error:
        return "another user"


def _is_withheld(pid: int) -> bool:
    """Say whether there is a process that only others may signal."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return False


def stop(process: ProcessId, *, timeout: float) -> None:
    """End a spawned process and its whole session: SIGTERM, and SIGKILL for what is left after `timeout` seconds.

    Raises:
        EngineError: it is another user's.
    """
    import psutil

    if not alive(process):
        return
    if whose := others(process):
        raise EngineError(f"process {process.pid} belongs to {whose}", hint=f"sudo kill {process.pid}")
    family = [psutil.Process(process.pid)]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += family[0].children(recursive=True)
    _signal_group(process.pid, signal.SIGTERM)
    left = _wait(family, timeout)
    _kill_group(process.pid)
    for straggler in left:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            straggler.kill()  # a worker may have left the group
    _wait(left, timeout)


def _wait(processes: Sequence[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait for processes to end and return those that did not; a zombie has ended, whoever is to bury it."""
    deadline = time.monotonic() + timeout
    left = list(processes)
    while True:
        left = [process for process in left if _runs(process)]
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(_POLL_S)


def _runs(process: psutil.Process) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:  # gone, or of no business of this user
        return False


def port_holder(port: int) -> Optional[str]:
    """Name the process that listens on a TCP port of this machine, e.g. `java (pid 4711)`, if that can be known.

    Of a TorchServe that mardock started it is the project that tells it from others.
    """
    import psutil

    try:
        for connection in psutil.net_connections(kind="tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address[1] == port and connection.pid:
                return f"{_called(psutil.Process(connection.pid))} (pid {connection.pid})"
    except psutil.Error:  # another user's process, or macOS without root
        return None
    return None


def _called(process: psutil.Process) -> str:
    import psutil

    with contextlib.suppress(OSError, psutil.Error):
        state = Path(process.cwd()).parent
        if state.name == own_folders.STATE:
            return f"the TorchServe of {state.parent}"
    return process.name()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _kill_group(pid: int) -> None:
    _signal_group(pid, signal.SIGKILL)
