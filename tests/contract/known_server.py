"""An HTTP server of known behaviour: it counts what reaches it and does to each request what a script says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable

Script = Callable[[socket.socket, int], None]
"""Called with the connection and the number of the request (from 0, over all connections)."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class KnownServer:
    """Listens on a free loopback port; each connection has a thread of its own.

    Args:
        tls: what to speak TLS with.

    Attributes:
        requests: how many complete requests have come.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests = 0
        self._script = script
        self._tls = tls
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> KnownServer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.die()
        for thread in self._threads:
            thread.join()

    @property
    def url(self) -> str:
        """Its base URL, also after it died."""
        return f"http{'s' * (self._tls is not None)}://127.0.0.1:{self._port}"

    def die(self) -> None:
        """Close all connections and listen no more."""
        with self._lock:
            for each in (self._listener, *self._open):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            thread = threading.Thread(target=self._answer, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), self._secured(connection) as connection:
            while _read_request(connection):
                with self._lock:
                    number = self.requests
                    self.requests += 1
                self._script(connection, number)
        with self._lock:
            self._open.discard(connection)

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        with self._lock:  # it takes the plain one's place
            self._open.discard(connection)
            secured = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._open.add(secured)
        secured.do_handshake()
        return secured


def _read_request(connection: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return False
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    missing = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0) - len(body)
    while missing > 0:
        part = connection.recv(65536)
        if not part:
            return False
        missing -= len(part)
    return True


def say(answer: bytes) -> Script:
    """Answer these bytes."""
    return lambda connection, number: connection.sendall(answer)


def after(seconds: float, script: Script) -> Script:
    """Wait first."""

    def script_later(connection: socket.socket, number: int) -> None:
        time.sleep(seconds)
        script(connection, number)

    return script_later


def every(step: int, script: Script, otherwise: Script) -> Script:
    """Treat one request of every `step` specially, the last of them."""
    return lambda connection, number: (script if number % step == step - 1 else otherwise)(connection, number)


def reset(connection: socket.socket, number: int) -> None:
    """Break the connection off with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang_up(connection: socket.socket, number: int) -> None:
    """Close the connection without an answer."""
    connection.shutdown(socket.SHUT_RDWR)


def cut_off(connection: socket.socket, number: int) -> None:
    """Close the connection in the middle of an answer."""
    connection.sendall(OK[:-1])
    connection.shutdown(socket.SHUT_RDWR)


def stall(connection: socket.socket, number: int) -> None:
    """Never answer: wait until the caller gives up."""
    connection.recv(1)


def drip(connection: socket.socket, number: int) -> None:
    """Send an endless answer, a byte at a time, until the caller gives up."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.01)
