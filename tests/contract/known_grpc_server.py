"""A gRPC server of known behaviour: it counts what reaches it and does to each request what a script says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from mardock.client.grpc_messages import METHOD, prediction_response

Script = Callable[[grpc.ServicerContext, int], None]
"""Called with the call's context and its number (from 0); may sleep or abort it."""


class KnownGrpcServer:
    """Listens on a free loopback port.

    Attributes:
        address: host and port.
        metadata: what came with the last request.
    """

    def __init__(self, script: Script) -> None:
        self._numbers = itertools.count()
        self._script = script
        self._server = grpc.server(ThreadPoolExecutor(16), handlers=[self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self.metadata: dict[str, str] = {}
        self._server.start()

    @property
    def requests(self) -> int:
        """How many have come."""
        return int(repr(self._numbers)[len("count(") : -1])

    def service(self, details: Any) -> Any:
        """Return the handler of a call, as gRPC asks for it."""
        assert details.method == METHOD
        self.metadata = dict(details.invocation_metadata)
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def die(self) -> None:
        """Drop all calls and listen no more."""
        self._server.stop(grace=None)

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._script(context, next(self._numbers))
        return prediction_response(b"ok")


@contextmanager
def known_grpc_server(script: Script = lambda context, number: None) -> Iterator[KnownGrpcServer]:
    """Serve until the block ends."""
    server = KnownGrpcServer(script)
    try:
        yield server
    finally:
        server.die()
