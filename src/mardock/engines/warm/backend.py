"""Keeps TorchServe's connection to a worker open until the stub has ended, too.

When that connection breaks, TorchServe asks at once how its process, the stub, has ended: 137 means out of memory. The
worker's death would break it before the stub can know of it. So a copy of the connection lies unread in a socket of the
parent, who closes that after the stub.

And when it breaks TorchServe soon stops reading what the worker prints, so a worker that fails lets its traceback be
read first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import sys
import termios
import time
from typing import Any

READ_SECONDS = 2.0
POLL_MS = 1


class Connection(socket.socket):
    """The worker's end; closed by the worker itself it breaks in spite of the copy, once its output has been read."""

    worker = 0

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self.fileno() >= 0 and self.worker == os.getpid():  # a process forked by a handler must not break it
            let_output_be_read()
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)
        super().close()


def let_output_be_read() -> None:
    """Return once the pipes behind stdout and stderr are empty, have no reader, or are not emptied for too long."""
    deadline = time.monotonic() + READ_SECONDS
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # a handler may have closed or replaced it
            stream.flush()
            pipe = select.poll()
            pipe.register(descriptor, 0)  # POLLERR, that nobody reads any more, comes unasked
            while time.monotonic() < deadline and _unread(descriptor) and not pipe.poll(POLL_MS):
                pass


def _unread(descriptor: int) -> int:
    """Return how many bytes a pipe holds; raises OSError for most of what is no pipe."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


def keep_first_accepted(keeper: socket.socket) -> None:
    """Lay a copy of the first connection this process accepts, which is TorchServe's, into `keeper`."""
    accept = socket.socket.accept

    def accept_first(listener: socket.socket) -> tuple[socket.socket, Any]:
        accepted, address = accept(listener)
        socket.socket.accept = accept  # type: ignore[method-assign]
        socket.send_fds(keeper, [b"K"], [accepted.fileno()])
        keeper.close()
        connection = Connection(fileno=accepted.detach())
        connection.worker = os.getpid()
        return connection, address

    socket.socket.accept = accept_first  # type: ignore[assignment, method-assign]
