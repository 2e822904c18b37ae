"""Keeps TorchServe's connection to a worker open until the stub has ended, too.

When that connection breaks, TorchServe asks at once how its process, the stub, has ended: 137 means out of memory. The
worker's death would break it before the stub can know of it. So a copy of the connection lies unread in a socket of the
parent, who closes that after the stub.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any


class Connection(socket.socket):
    """The worker's end; closed by the worker itself it breaks at once, in spite of the copy."""

    worker = 0

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self.fileno() >= 0 and self.worker == os.getpid():  # a process forked by a handler must not break it
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)
        super().close()


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
