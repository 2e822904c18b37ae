"""The relay: bytes pass both ways, and whichever end goes, the other one learns of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from mardock.debugging.relay import Relay
from mardock.engines.base import Stream
from mardock.errors import EngineError, ServingError

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


@pytest.fixture
def relay(server: socket.socket) -> Iterator[Relay]:
    with Relay(0, lambda: socket.create_connection(server.getsockname())) as made:
        yield made


def connect(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), timeout=10)


def test_bytes_pass_both_ways_on_every_connection(relay: Relay, server: socket.socket) -> None:
    for _ in range(2):
        with connect(relay) as client, server.accept()[0] as peer:
            client.sendall(b"to the server")
            assert peer.recv(100) == b"to the server"
            peer.sendall(b"to the client")
            assert client.recv(100) == b"to the client"


def test_a_client_that_goes_is_noticed(relay: Relay, server: socket.socket) -> None:
    client, (peer, _) = connect(relay), server.accept()
    with peer:
        client.close()
        assert peer.recv(100) == b""


def test_closing_it_hangs_up_on_everybody_and_frees_the_port(relay: Relay, server: socket.socket) -> None:
    with connect(relay) as client, server.accept()[0] as peer:
        client.sendall(b"x")
        assert peer.recv(1) == b"x"
        relay.close()
        assert client.recv(100) == b""
        assert peer.recv(100) == b""
    socket.create_server(("127.0.0.1", relay.port)).close()


def test_a_client_that_comes_too_early_is_hung_up_on() -> None:
    def refuse() -> Stream:
        raise ServingError("debugpy does not listen yet")

    with Relay(0, refuse) as relay, connect(relay) as client:
        assert client.recv(100) == b""


def test_a_taken_port_is_named_with_its_holder(server: socket.socket) -> None:
    port = server.getsockname()[1]
    with pytest.raises(EngineError, match=rf"port {port} is taken by .*\(pid {os.getpid()}\)"):
        Relay(port, lambda: socket.create_connection(server.getsockname()))
