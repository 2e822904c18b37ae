"""Servers that do nothing but answer: what a load generator reaches against one is the client's own ceiling."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Callable, Protocol

_CHUNK = 64 * 1024


class Answers(Protocol):
    """One connection of such a server."""

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return what to send."""
        ...


class HttpAnswers:
    """Answers one HTTP/1.1 request again and again; it counts bytes and parses none.

    Args:
        request: the only one it is ever sent.
        body_bytes: the length of its answers' bodies.
    """

    def __init__(self, request: bytes, body_bytes: int) -> None:
        self._request_bytes = len(request)
        self._received = 0
        self._answer = f"HTTP/1.1 200 OK\r\nContent-Length: {body_bytes}\r\n\r\n".encode() + bytes(body_bytes)

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return what to send."""
        self._received += len(data)
        if self._received < self._request_bytes:
            return b""
        self._received -= self._request_bytes
        return self._answer


@contextmanager
def null_server(answers: Callable[[], Answers]) -> Iterator[tuple[str, int]]:
    """Serve in a forked process on a free loopback port until the block ends, or this process does.

    Args:
        answers: makes what answers on a new connection.

    Yields:
        its host and port.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        # The parent never writes: the child reads the end of this pipe when the parent closes it or dies.
        alive, held_open = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(held_open)
            _serve_and_exit(listener, alive, answers)
        os.close(alive)
        host, port = listener.getsockname()[:2]
        try:
            yield host, port
        finally:
            os.close(held_open)
            os.waitpid(child, 0)


def _serve_and_exit(listener: socket.socket, alive: int, answers: Callable[[], Answers]) -> None:
    """The child's whole life; it leaves without running what the parent registered for its own exit."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _serve(listener, alive, answers)
    finally:
        os._exit(0)


def _serve(listener: socket.socket, alive: int, answers: Callable[[], Answers]) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(alive, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == alive:
                    return
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(connection, selectors.EVENT_READ, (connection, answers()))
                    continue
                connection, answering = key.data
                with suppress(OSError):
                    data = connection.recv(_CHUNK)
                    if data:
                        answer = answering.feed(data)
                        if answer:
                            connection.sendall(answer)
                        continue
                selector.unregister(connection)
                connection.close()
