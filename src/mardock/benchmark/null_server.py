"""A server that does nothing but answer: what the load generator reaches against it is the client's own ceiling."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mardock.benchmark.target import Target

_CHUNK = 64 * 1024


@contextmanager
def null_server(request: bytes, body_bytes: int) -> Iterator[Target]:
    """Serve in a forked process on a free loopback port until the block ends, or this process does.

    Args:
        request: the only request it is ever sent; it counts bytes and parses none.
        body_bytes: the length of its answers' bodies.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        # The parent never writes: the child reads the end of this pipe when the parent closes it or dies.
        alive, held_open = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(held_open)
            _serve_and_exit(listener, alive, len(request), body_bytes)
        os.close(alive)
        host, port = listener.getsockname()[:2]
        try:
            yield Target(f"{host}:{port}", socket.AF_INET, (host, port), (request,))
        finally:
            os.close(held_open)
            os.waitpid(child, 0)


def _serve_and_exit(listener: socket.socket, alive: int, request_bytes: int, body_bytes: int) -> None:
    """The child's whole life; it leaves without running what the parent registered for its own exit."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        answer = f"HTTP/1.1 200 OK\r\nContent-Length: {body_bytes}\r\n\r\n".encode() + bytes(body_bytes)
        _serve(listener, alive, request_bytes, answer)
    finally:
        os._exit(0)


def _serve(listener: socket.socket, alive: int, request_bytes: int, answer: bytes) -> None:
    received: dict[socket.socket, int] = {}
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
                    selector.register(connection, selectors.EVENT_READ, connection)
                    received[connection] = 0
                    continue
                connection = key.data
                with suppress(OSError):
                    data = connection.recv(_CHUNK)
                    if data:
                        received[connection] += len(data)
                        if received[connection] >= request_bytes:
                            received[connection] -= request_bytes
                            connection.sendall(answer)
                        continue
                selector.unregister(connection)
                del received[connection]
                connection.close()
