"""What a stub asks of the warm parent, and how it is read from the socket."""

# Paths here are the strings of sys.path and execve, as the interpreter handles them itself.

from __future__ import annotations

import os
import socket
import sys
from typing import NamedTuple

from .stub import PROTOCOL

READ_SECONDS = 1.0


class DoubtError(Exception):
    """The worker asked for would differ from a freshly started one."""


class Request(NamedTuple):
    """What one stub was started with.

    Attributes:
        stub: pid of the stub, 0 where the system does not tell.
        owner: pid of the process that started the stub, TorchServe's JVM.
        ignored: numbers of the signals it was started to ignore.
        argv: the script and its arguments.
        descriptors: standard input, output and error, and the worker's end of the lifeline.
    """

    stub: int
    owner: int
    cwd: str
    umask: int
    ignored: bytes
    argv: list[str]
    environ: dict[bytes, bytes]
    descriptors: list[int]

    def python_path(self) -> list[str]:
        """Return PYTHONPATH as absolute paths; an empty entry means the working directory."""
        value = os.fsdecode(self.environ.get(b"PYTHONPATH", b""))
        entries = value.split(os.pathsep) if value else []
        return [os.path.normpath(os.path.join(self.cwd, entry)) for entry in entries]


def peer(connection: socket.socket) -> tuple[int, int]:
    """Return pid and uid of the other end; macOS tells no pid here (struct xucred {version, uid, ...})."""
    linux = sys.platform == "linux"
    data = (
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12) if linux else connection.getsockopt(0, 1, 12)
    )
    first, uid = (int.from_bytes(data[start : start + 4], sys.byteorder) for start in (0, 4))
    return first if linux else 0, uid


def receive(connection: socket.socket, descriptors: list[int]) -> list[bytes]:
    """Read one message: ten digits of length, the protocol, a verb, its fields; all separated by NUL."""
    if peer(connection)[1] != os.geteuid():
        raise DoubtError("asked by another user")
    connection.settimeout(READ_SECONDS)
    data, passed, _, _ = socket.recv_fds(connection, 65536, 8)
    descriptors.extend(passed)
    for descriptor in passed:
        os.set_inheritable(descriptor, False)  # noqa: FBT003
    missing = int(data[:10]) + 10 - len(data)
    while missing > 0:
        more = connection.recv(min(missing, 1 << 20))
        if not more:
            raise DoubtError("half a request")
        data += more
        missing -= len(more)
    protocol, *fields = data[10:].split(b"\0")
    if protocol != PROTOCOL:
        raise DoubtError(f"asked by protocol {protocol!r}")
    return fields


def parse(fields: list[bytes], stub: int, descriptors: list[int]) -> Request:
    _, cwd, umask, owner, ignored, count, *rest = fields
    if len(descriptors) != 4:
        raise DoubtError(f"{len(descriptors)} descriptors came along")
    argv, environ = rest[: int(count)], rest[int(count) :]
    return Request(
        stub=stub,
        owner=int(owner),
        cwd=os.fsdecode(cwd),
        umask=int(umask),
        ignored=bytes.fromhex(ignored.decode()),
        argv=[os.fsdecode(argument) for argument in argv],
        environ={name: value for name, _, value in (entry.partition(b"=") for entry in environ)},
        descriptors=descriptors,
    )
