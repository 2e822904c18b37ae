"""A fork of the warm parent on its way to being the worker TorchServe asked for."""

# Paths here are the strings of sys.path and execve, as the interpreter handles them itself.

from __future__ import annotations

import _thread
import os
import resource
import signal
import socket
import sys
import tempfile
import time
from typing import NamedTuple, NoReturn

from .backend import keep_first_accepted
from .installation import Installation
from .request import Request
from .threads import heed_models

RESET = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)


class Fork(NamedTuple):
    """What a fork starts with.

    Attributes:
        stub: the connection to the stub.
        keeper: where TorchServe's connection is kept for the parent.
    """

    request: Request
    stub: socket.socket
    keeper: socket.socket


def become(fork: Fork, installation: Installation) -> None:
    """Turn this fork into what a fresh interpreter would be, then wait for the stub's word."""
    request = fork.request
    os.setsid()  # the stub stays in TorchServe's group and passes its signals on, so none arrives twice
    for number in RESET:
        signal.signal(number, signal.SIG_IGN if number in request.ignored else signal.SIG_DFL)
    if signal.SIGINT not in request.ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform == "linux":
        for limit in {getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}:
            resource.setrlimit(limit, resource.prlimit(request.stub, limit))
    os.umask(request.umask)
    os.chdir(request.cwd)
    os.environb.clear()
    os.environb.update(request.environ)
    time.tzset()
    tempfile.tempdir = None
    sys.argv[:] = request.argv
    if sys.version_info >= (3, 10):
        sys.orig_argv[:] = [sys.executable, *request.argv]
    sys.path[:] = dict.fromkeys([*request.python_path(), *installation.path])
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.path.dirname(os.path.realpath(request.argv[0])))
    _reseed()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads != installation.threads and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(threads))
    heed_models()
    for target, descriptor in enumerate(request.descriptors[:3]):
        os.dup2(descriptor, target)
        os.close(descriptor)
    keep_first_accepted(fork.keeper)
    _start_with_stub(fork.stub, socket.socket(fileno=request.descriptors[3]))


def _reseed() -> None:
    """Give every worker random numbers of its own; `random` does it by itself."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()


def _start_with_stub(connection: socket.socket, lifeline: socket.socket) -> None:
    connection.sendall(b"R%010d" % os.getpid())
    connection.close()
    if lifeline.recv(1) != b"G":
        os._exit(0)  # the stub gave up waiting and runs plain Python by now
    runs = _thread.allocate_lock()
    runs.acquire()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # a signal it took would not wake ours
    _thread.start_new_thread(_die_with_stub, (lifeline, runs))
    runs.acquire()  # an interpreter that ends before a thread of it has begun crashes (seen with 3.9)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _die_with_stub(lifeline: socket.socket, runs: _thread.LockType) -> NoReturn:
    """Kill this worker when its stub is gone; the parent does it too, unless it has died itself."""
    runs.release()
    while lifeline.recv(1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")
