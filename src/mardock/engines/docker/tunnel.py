"""A connection to a port that only the serve container itself can reach, through the Docker Engine."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from mardock.engines.docker import containers
from mardock.engines.docker.daemon import sdk
from mardock.engines.docker.launch import running
from mardock.errors import EngineError
from mardock.settings.project import Project

BRIDGE = """
import os, socket, sys, threading
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def send():
    for data in iter(lambda: os.read(0, 65536), b""):
        peer.sendall(data)
    os._exit(0)
threading.Thread(target=send, daemon=True).start()
for data in iter(lambda: peer.recv(65536), b""):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""


class Tunnel:
    """A stream to 127.0.0.1:`port` of the serve container, carried by a small Python run there for as long as it lives.

    Nothing has to be published, so it works with containers that run already and wherever the Docker Engine is.

    Raises:
        EngineNotRunningError: the container does not run.
        EngineError: the Docker Engine cannot carry it.
    """

    def __init__(self, project: Project, port: int) -> None:
        self._left = 0
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(sdk())
            container = running(client, project, "serve", None)
            argv = [containers.python(container), "-IS", "-c", BRIDGE, str(port)]
            made = client.api.exec_create(container.id, argv, stdin=True, stdout=True, stderr=False)
            stream: Any = client.api.exec_start(made["Id"], socket=True)
            self._socket: socket.socket = getattr(stream, "_sock", stream)  # a SocketIO only reads
            self._socket.settimeout(None)
            self._open = stack.pop_all()

    def recv(self, size: int) -> bytes:
        """Return what came, at most `size` bytes; nothing at the end."""
        from docker.utils.socket import next_frame_header, read

        if not self._left:
            _, self._left = next_frame_header(self._socket)
        if self._left < 0:
            return b""
        data: bytes = read(self._socket, min(size, self._left))
        self._left -= len(data)
        return data

    def sendall(self, data: bytes) -> None:
        """Send all of `data`."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Hang up, which ends what carries it."""
        with contextlib.suppress(OSError, EngineError):
            self._socket.shutdown(socket.SHUT_RDWR)
            self._open.close()
