"""Proxies of the environment: the engine is asked past them, over its socket and over this machine's loopback."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from tests.support.proxies import proxy

from mardock.engines.docker import daemon


@pytest.fixture
def on_tcp() -> Iterator[str]:
    """The engine's address on a port of the loopback."""
    real = daemon.host().removeprefix("unix://")
    if not Path(real).is_socket():
        pytest.skip("the engine is not reached over a Unix socket")

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(real)
                Thread(target=_copy, args=(self.request, engine), daemon=True).start()
                _copy(engine, self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while block := source.recv(65536):
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # the other direction ended first
        return


@pytest.mark.parametrize("over", ["socket", "tcp"])
def test_the_engine_is_asked_past_proxies(over: str, on_tcp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy() as nowhere:
        for name, value in nowhere.variables().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("DOCKER_HOST", on_tcp if over == "tcp" else daemon.host())

        daemon.check()
        with daemon.sdk() as client:
            assert client.ping()
            client.containers.list(limit=1)

        assert not nowhere.asked
