"""Connections that fail on the way: cut off, or fallen silent, after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TypeVar
from urllib.parse import urlsplit

Wire = TypeVar("Wire", bound="Cutter")


class Cutter:
    """Passes TCP on to a server until `limit` bytes went there, then breaks every connection off."""

    def __init__(self, url: str, limit: int) -> None:
        server = urlsplit(url)
        self._target = (server.hostname, server.port)
        self._left = limit
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{server.path}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self: Wire) -> Wire:
        return self

    def __exit__(self, *raised: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        _shut(*self._open)
        for thread in self._threads:
            thread.join()
        for connection in self._open:
            connection.close()

    def _stop(self) -> None:
        """Do what there is to do before the connections are broken off."""

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._open += [near, far]
            for pump in (self._send, self._receive):
                thread = threading.Thread(target=pump, args=(near, far))
                self._threads.append(thread)
                thread.start()

    def _send(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65536):
                with self._lock:
                    self._left -= len(data)
                    over = self._left < 0
                if over:
                    self._stop()
                    break
                far.sendall(data)
        _shut(near, far)

    def _receive(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(65536):
                near.sendall(data)
        _shut(near, far)


class Holder(Cutter):
    """Passes TCP on likewise, but then falls silent, so that whoever sends can be interrupted while it does.

    Attributes:
        silent: set from then on.
    """

    def __init__(self, url: str, limit: int) -> None:
        self.silent = threading.Event()
        self._over = threading.Event()
        super().__init__(url, limit)

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        super().__exit__(*raised)

    def _stop(self) -> None:
        self.silent.set()
        self._over.wait()


def _shut(*connections: socket.socket) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
