"""The interpreter TorchServe is given: it has the warm parent fork the worker, or becomes plain Python.

`write_stub` copies this file, puts a shebang before it and a call of `main` behind it. It runs once per worker with
`-I -S`, so it imports only what starts in milliseconds: `_socket`, not `socket`. On any doubt it execs the real
interpreter with the very argv it was given.
"""

# pathlib would double the start-up time.

from __future__ import annotations

import _socket
import os
import signal
import sys

TYPE_CHECKING = False  # importing typing would double the start-up time
if TYPE_CHECKING:
    from typing import NoReturn, Optional

PROTOCOL = b"mardock-warm-1"
WORKER = "model_service_worker.py"
# Long enough for a parent that is still importing torch, on a busy machine too; TorchServe itself waits for 120 s.
ANSWER_SECONDS = 20.0
MESSAGE_BYTES = 11  # one letter and ten digits
FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def main(python: str, socket_path: str) -> NoReturn:
    """Run the worker named in `sys.argv` through the parent at `socket_path`, or exec `python` with the same argv."""
    argv = sys.argv[1:]
    if argv and os.path.basename(argv[0]) == WORKER:
        status = run_worker(argv, socket_path)
        if status is not None:
            end_like(status)
    os.execv(python, [python, *argv])  # noqa: S606


def run_worker(argv: list[str], socket_path: str) -> Optional[int]:
    """Return the wait status of the finished worker, or None when plain Python has to run it."""
    ignored = [number for number in FORWARDED if signal.getsignal(number) is signal.SIG_IGN]
    try:
        parent = _connect(socket_path)
        lifeline, theirs = _socket.socketpair()
        _send(parent, _request(argv, ignored), (0, 1, 2, theirs.fileno()))
        theirs.close()
        answer = parent.recv(MESSAGE_BYTES)
    except OSError:
        return None
    if answer[:1] != b"R":
        return None
    worker = int(answer[1:])
    woken, waker = _socket.socketpair()
    waker.settimeout(0)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    for number in FORWARDED:
        if number not in ignored:
            signal.signal(number, lambda caught, _frame: _forward(worker, caught))
    try:
        lifeline.send(b"G")  # only now does the worker start: had we given up, it would have seen our end close
    except OSError:
        return None
    for descriptor in (0, 1, 2):
        os.close(descriptor)  # the worker's own ends decide when TorchServe reads an end of file
    return _wait(parent, lifeline, woken)


def end_like(status: int) -> NoReturn:
    """End this process the way `status`, a wait status, says the worker ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)
    os._exit(os.WEXITSTATUS(status))


def _connect(path: str) -> _socket.socket:
    parent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    parent.settimeout(ANSWER_SECONDS)
    parent.connect(path)
    if _peer_uid(parent) != os.getuid():
        raise PermissionError(path)  # it would read our environment
    return parent


def _peer_uid(connection: _socket.socket) -> int:
    # Linux: SO_PEERCRED, struct ucred {pid, uid, gid}. macOS: LOCAL_PEERCRED, struct xucred {version, uid, ...}.
    level, option = (0, 1) if sys.platform == "darwin" else (_socket.SOL_SOCKET, _socket.SO_PEERCRED)
    return int.from_bytes(connection.getsockopt(level, option, 12)[4:8], sys.byteorder)


def _request(argv: list[str], ignored: list[signal.Signals]) -> bytes:
    umask = os.umask(0)
    os.umask(umask)
    head = [PROTOCOL, b"fork", os.getcwdb(), b"%d" % umask, b"%d" % os.getppid(), bytes(ignored).hex().encode()]
    arguments = [os.fsencode(argument) for argument in argv]
    environment = [name + b"=" + value for name, value in os.environb.items()]
    body = b"\0".join([*head, b"%d" % len(arguments), *arguments, *environment])
    return b"%10d" % len(body) + body


def _send(parent: _socket.socket, data: bytes, descriptors: tuple[int, ...]) -> None:
    rights = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in descriptors)
    sent = parent.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    parent.sendall(data[sent:])


def _forward(worker: int, number: int) -> None:
    try:
        os.kill(worker, number)
    except ProcessLookupError:
        return  # it has just ended; its status is on the way


def _wait(parent: _socket.socket, lifeline: _socket.socket, woken: _socket.socket) -> int:
    try:
        answer = _receive(parent, woken)
    except ConnectionError:
        answer = b""
    if answer:
        return int(answer[1:])
    # The parent is gone and the worker's exit status with it, but not the worker: stand in until it ends.
    while _receive(lifeline, woken):
        pass
    return 1 << 8


def _receive(connection: _socket.socket, woken: _socket.socket) -> bytes:
    # A signal between two instructions is only noted; a read entered after that would keep it waiting with us.
    import select  # the worker is on its way by now

    while True:
        ready, _, _ = select.select([connection, woken], [], [])
        if woken in ready:
            woken.recv(64)  # Python runs the handlers on its way out of this call
        if connection in ready:
            return connection.recv(MESSAGE_BYTES)
