"""The door debuggers come in by: a port of this machine that leads to where debugpy listens."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Optional

from mardock import process
from mardock.debugging.worker import HOST
from mardock.engines.base import Stream
from mardock.errors import EngineError, MardockError

_CHUNK = 1 << 16


class Relay:
    """Passes every connection to a port of this machine on to a stream of its own.

    debugpy takes a connection that ends for a debugger that goes away: it removes its breakpoints and lets go what it
    had stopped. So whatever ends this process also lets the worker go on.

    Args:
        connect: opens a stream to debugpy; a debugger that comes too early is hung up on.

    Raises:
        EngineError: the port is taken; its holder is named where that can be known.
    """

    def __init__(self, port: int, connect: Callable[[], Stream]) -> None:
        self._connect = connect
        self._open: set[Stream] = set()
        self._listener = _listen(port)
        self.port: int = self._listener.getsockname()[1]

        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Relay:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], at: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on all debuggers and take no more of them."""
        _hang_up(self._listener)
        self._accepting.join()
        for stream in list(self._open):
            _hang_up(stream)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except (OSError, MardockError):  # debugpy does not listen yet, or the server is gone: the session tells of it
            _hang_up(client)
            return
        self._open.update((client, server))
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        _pump(client, server)
        self._open.difference_update((client, server))


def _pump(source: Stream, sink: Stream) -> None:
    """Copy until either end is gone, then end both."""
    with contextlib.suppress(OSError):
        for data in iter(lambda: source.recv(_CHUNK), b""):
            sink.sendall(data)
    _hang_up(source)
    _hang_up(sink)


def _hang_up(stream: Stream) -> None:
    with contextlib.suppress(OSError):
        if isinstance(stream, socket.socket):
            stream.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept or recv
    stream.close()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise EngineError(f"cannot listen on port {port}: {error.strerror}", hint="--port 5678") from error
        holder = process.port_holder(port) or "another process"
        raise EngineError(f"port {port} is taken by {holder}", hint=f"take another one: --port {port + 1}") from error
