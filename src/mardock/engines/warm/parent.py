"""The warm parent: imports torch once, then forks a TorchServe worker whenever a stub asks for one.

The command of `__main__` returns once the socket listens and goes on as a daemon, one per socket. What cannot be served
exactly as a fresh interpreter would serve it is refused, and the stub runs plain Python. Workers outlive a parent that
dies. The parent ends after its last worker once it is told to stop or its socket is gone, and after `--idle` seconds
without a worker or the process that asked for the last one.
"""

# Paths here are the strings of sys.path and execve, as the interpreter handles them itself.

from __future__ import annotations

import argparse
import contextlib
import fcntl
import importlib.util
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import time
from typing import NamedTuple, Optional

from .installation import Installation, say, stamp
from .request import DoubtError, Request, parse, peer, receive
from .stub import WORKER
from .threads import shares
from .worker import Fork, become

TICK_SECONDS = 15.0
BURY_SECONDS = 0.2


class Worker(NamedTuple):
    """A living worker.

    Attributes:
        stub: pid of its stub, 0 where the system does not tell.
        connection: where the stub waits for the exit status.
        kept: holds a copy of TorchServe's connection to the worker.
    """

    stub: int
    connection: socket.socket
    kept: socket.socket

    def bury(self, status: int) -> None:
        """Tell the stub how the worker ended, and TorchServe only after the stub has ended likewise."""
        with contextlib.suppress(OSError), self.connection:
            self.connection.settimeout(BURY_SECONDS)
            self.connection.sendall(b"S%010d" % status)
            self.connection.recv(1)
            deadline = time.monotonic() + BURY_SECONDS
            while _alive(self.stub) and time.monotonic() < deadline:
                time.sleep(0.0005)
        self.kept.close()


class Server:
    """The loop that answers stubs, watches over the workers and reports how they ended.

    Args:
        listener: the listening socket.
        lock: descriptor whose lock makes this parent the only one.
        idle: seconds without a worker or its owner after which the loop ends.
        owner: pid of the owner until a worker is asked for by another; 0 when there is none yet.
    """

    def __init__(
        self, listener: socket.socket, lock: int, installation: Installation, *, idle: float, owner: int
    ) -> None:
        self._listener, self._lock, self._installation, self._idle = listener, lock, installation, idle
        self._inode = os.stat(listener.getsockname()).st_ino
        self._workers: dict[int, Worker] = {}
        self._farewells: list[socket.socket] = []
        self._retired = False
        self._owner = owner
        self._last_use = time.monotonic()
        self._wake, self._wakeup = socket.socketpair()
        self._wakeup.setblocking(False)  # noqa: FBT003
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)

    def serve(self) -> Optional[Fork]:
        """Return in every forked worker, with its request and the stub's connection, and in the parent at its end."""
        while not self._finished():
            for key, _ in self._selector.select(min(self._idle, TICK_SECONDS)):
                if key.fileobj is self._listener:
                    work = self._accept()
                    if work is not None:
                        return work
                elif key.fileobj is self._wake:
                    self._wake.recv(4096)
                    self._reap()
                elif key.data in self._workers:  # the stub has gone; unreaped, the pid still is the worker's
                    os.kill(key.data, signal.SIGKILL)
                    self._selector.unregister(key.fileobj)
        return None

    def _finished(self) -> bool:
        if not self._retired and (stamp(self._listener.getsockname()) or (0, 0, 0))[2] != self._inode:
            self._retire()
        if self._workers or _alive(self._owner):
            self._last_use = time.monotonic()
        if self._retired:
            return not self._workers
        return time.monotonic() - self._last_use > self._idle

    def _retire(self) -> None:
        """Make room for another parent: take no more requests, end with the last worker."""
        if self._retired:
            return
        self._retired = True
        self._selector.unregister(self._listener)
        address = self._listener.getsockname()
        if (stamp(address) or (0, 0, 0))[2] == self._inode:
            os.unlink(address)
        self._listener.close()
        os.close(self._lock)

    def _accept(self) -> Optional[Fork]:
        connection, _ = self._listener.accept()
        descriptors: list[int] = []
        try:
            fields = receive(connection, descriptors)
            if fields[0] == b"fork":
                return self._fork(parse(fields, peer(connection)[0], descriptors), connection)
            if fields[0] == b"share":
                shares.update(json.loads(fields[1]))
            connection.sendall(json.dumps({"pid": os.getpid(), "workers": len(self._workers)}).encode())
            if fields[0] == b"stop":
                self._retire()
                self._farewells.append(connection)  # the end of this process closes it: the caller waits for that
            else:
                connection.close()
        except (DoubtError, OSError, ValueError, IndexError) as error:
            say(f"refused: {error}")
            with contextlib.suppress(OSError), connection:
                connection.sendall(b"X%010d" % 0)
            for descriptor in descriptors:
                os.close(descriptor)
        return None

    def _fork(self, request: Request, connection: socket.socket) -> Optional[Fork]:
        if self._installation.changed():
            self._retire()
            os.posix_spawn(sys.executable, [sys.executable, *sys.argv], os.environ)
            raise DoubtError("the installed packages changed; a new parent takes over")
        self._installation.check(request)
        kept, keeper = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            kept.close()
            self._leave()
            return Fork(request, connection, keeper)
        keeper.close()
        for descriptor in request.descriptors:
            os.close(descriptor)
        self._workers[pid] = Worker(request.stub, connection, kept)
        self._owner = request.owner
        self._selector.register(connection, selectors.EVENT_READ, pid)
        return None

    def _leave(self) -> None:
        """Close, in a fork, all that is the parent's own."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for own in (self._listener, self._wake, self._wakeup, *self._farewells):
            own.close()
        for worker in self._workers.values():
            worker.connection.close()
            worker.kept.close()
        if not self._retired:
            os.close(self._lock)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                worker = self._workers.pop(pid, None)
                if worker is not None:  # else the launcher of a new parent
                    with contextlib.suppress(KeyError):
                        self._selector.unregister(worker.connection)
                    worker.bury(status)


def _alive(pid: int) -> bool:
    if pid <= 1:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    previous = os.umask(0o177)
    listener.bind(path)
    os.umask(previous)
    listener.listen(64)
    return listener


def _lock(path: str) -> Optional[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def main() -> None:
    """Listen, return to the caller, serve; in a fork, run the worker."""
    parser = argparse.ArgumentParser(description="Fork TorchServe workers from a Python that has torch imported.")
    parser.add_argument("--socket", required=True, type=os.path.abspath, help="where to listen")
    parser.add_argument("--script", type=os.path.abspath, help="the worker's script (default: that of TorchServe)")
    parser.add_argument("--preload", action="append", default=[], metavar="MODULE", help="import this; repeatable")
    parser.add_argument("--idle", type=float, default=600.0, metavar="SECONDS", help="end when unused this long")
    parser.add_argument("--owner", type=int, default=0, metavar="PID", help="do not end before this process")
    arguments = parser.parse_args()
    if os.environ.pop("PYTHONPATH", None) is not None:  # each worker brings its own
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606
    script = arguments.script or _torchserve_script()
    _close_inherited()
    lock = _lock(arguments.socket + ".lock")
    if lock is None:
        return
    listener = _listen(arguments.socket)
    daemon = os.fork()
    if daemon:
        os.ftruncate(lock, 0)
        os.write(lock, b"%d" % daemon)
        os._exit(0)
    os.setsid()
    installation = Installation(script, arguments.preload)
    work = Server(listener, lock, installation, idle=arguments.idle, owner=arguments.owner).serve()
    if work is not None:
        become(work, installation)
        runpy.run_path(sys.argv[0], run_name="__main__")


def _torchserve_script() -> str:
    spec = importlib.util.find_spec("ts")
    if spec is None or spec.origin is None:
        raise SystemExit("TorchServe (ts) is not installed here")
    return os.path.join(os.path.dirname(spec.origin), WORKER)


def _close_inherited() -> None:
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.close(int(name))
