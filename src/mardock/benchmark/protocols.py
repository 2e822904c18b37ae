"""What a benchmark over HTTP and one over gRPC do differently: the target, its client, the load and the null server."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Optional, Protocol, Union

from mardock.benchmark.load import LoadGenerator
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.null_server import HttpAnswers, null_server
from mardock.benchmark.target import Target, grpc_target, prediction_target
from mardock.client.inference import InferenceClient
from mardock.endpoint import Endpoint

if TYPE_CHECKING:
    from mardock.client.grpc import GrpcInferenceClient


class Generator(Protocol):
    """Makes load: see `LoadGenerator`."""

    def run(self, measurement: Measurement, *, seconds: float, rate: Optional[float] = None) -> None:
        """Send requests for some seconds."""
        ...


class LoadProtocol(Protocol):
    """One of the two."""

    def target(
        self,
        endpoint: Endpoint,
        model: str,
        bodies: Sequence[bytes],
        version: Optional[str],
        content_type: Optional[str],
    ) -> Target:
        """Return where to send which requests; raises like `prediction_target`."""
        ...

    def client(self, endpoint: Endpoint) -> Union[InferenceClient, GrpcInferenceClient]:
        """Return what sends one request and explains its failure."""
        ...

    def generator(self, target: Target, connections: int, timeout: float) -> AbstractContextManager[Generator]:
        """Return what makes the load."""
        ...

    def null_server(self, target: Target, answer_bytes: int) -> AbstractContextManager[Target]:
        """Serve answers of that length and nothing else; yields the target with the server's address."""
        ...


class Http:
    """The Inference API's HTTP."""

    def target(
        self,
        endpoint: Endpoint,
        model: str,
        bodies: Sequence[bytes],
        version: Optional[str],
        content_type: Optional[str],
    ) -> Target:
        """Return the target that `prediction_target` does."""
        return prediction_target(endpoint, model, bodies, version=version, content_type=content_type)

    def client(self, endpoint: Endpoint) -> InferenceClient:
        """Return an `InferenceClient`."""
        return InferenceClient(endpoint)

    def generator(self, target: Target, connections: int, timeout: float) -> LoadGenerator:
        """Return a `LoadGenerator`."""
        return LoadGenerator(target, connections, timeout=timeout)

    @contextmanager
    def null_server(self, target: Target, answer_bytes: int) -> Iterator[Target]:
        """Serve `HttpAnswers`, without TLS; the requests are the first one again and again."""
        request = target.requests[0]
        with null_server(partial(HttpAnswers, request, answer_bytes)) as address:
            yield _at(address, request)


class Grpc:
    """The Inference API's gRPC."""

    def target(
        self,
        endpoint: Endpoint,
        model: str,
        bodies: Sequence[bytes],
        version: Optional[str],
        content_type: Optional[str],
    ) -> Target:
        """Return the target that `grpc_target` does."""
        return grpc_target(endpoint, model, bodies, version=version, content_type=content_type)

    def client(self, endpoint: Endpoint) -> GrpcInferenceClient:
        """Return a `GrpcInferenceClient`."""
        from mardock.client.grpc import GrpcInferenceClient

        return GrpcInferenceClient(endpoint)

    def generator(self, target: Target, connections: int, timeout: float) -> AbstractContextManager[Generator]:
        """Return a `GrpcLoadGenerator`."""
        from mardock.benchmark.grpc_load import GrpcLoadGenerator

        return GrpcLoadGenerator(target, connections, timeout=timeout)

    @contextmanager
    def null_server(self, target: Target, answer_bytes: int) -> Iterator[Target]:
        """Serve `GrpcAnswers`."""
        from mardock.benchmark.grpc_answers import GrpcAnswers

        with null_server(partial(GrpcAnswers, answer_bytes)) as address:
            yield _at(address, target.requests[0])


PROTOCOLS: dict[str, LoadProtocol] = {"http": Http(), "grpc": Grpc()}


def _at(address: tuple[str, int], request: bytes) -> Target:
    host, port = address
    return Target(f"{host}:{port}", socket.AF_INET, address, (request,))
