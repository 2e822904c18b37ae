"""Target: one address and the ready-made requests to send there."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Optional

from mardock.client.addressing import inference_path, request_headers, split_address
from mardock.client.trust import certificates
from mardock.endpoint import Endpoint
from mardock.errors import ConfigError, EngineNotRunningError


@dataclass(frozen=True)
class Target:
    """Where a load goes and what it consists of.

    Attributes:
        name: how to call the address in messages, e.g. `127.0.0.1:8080`.
        family: `socket.AF_INET` or `AF_INET6`.
        address: for `socket.connect`.
        requests: complete HTTP requests, or the messages of gRPC ones, sent in turn; they may hold the token, so
            they are left out of `repr`.
        metadata: gRPC: what goes with each request.
        tls: what to wrap each connection with; None for plain HTTP.
        host: whom the server's certificate has to be for.
    """

    name: str
    family: int
    address: Any
    requests: tuple[bytes, ...] = field(repr=False)
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: Optional[ssl.SSLContext] = None
    host: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether the address is this machine's own."""
        return ip_address(self.address[0].partition("%")[0]).is_loopback


def prediction_target(
    endpoint: Endpoint,
    model: str,
    bodies: Sequence[bytes],
    *,
    version: Optional[str] = None,
    content_type: Optional[str] = None,
) -> Target:
    """Return the target that sends each of `bodies` to a model's handler, with the token of now.

    Raises:
        ConfigError: the endpoint's address, token or headers, the model or the version cannot stand in a request.
        EngineNotRunningError: its host name is not known.
    """
    parts = split_address(endpoint.inference_url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    own = request_headers(endpoint.headers, endpoint.credentials.inference())
    headers = {"Host": parts.netloc.rpartition("@")[2], **own}
    if content_type is not None:
        if not content_type.isascii() or not content_type.isprintable():
            raise ConfigError(f"{content_type!r} is not a content type", hint="e.g. --content-type application/json")
        headers["Content-Type"] = content_type
    path = parts.path.rstrip("/") + inference_path("predictions", model, version)
    family, address = _resolve(host, port)
    requests = tuple(http_post(path, headers, body) for body in bodies)
    return Target(f"{host}:{port}", family, address, requests, tls=_tls(endpoint) if secure else None, host=host)


def grpc_target(
    endpoint: Endpoint,
    model: str,
    bodies: Sequence[bytes],
    *,
    version: Optional[str] = None,
    content_type: Optional[str] = None,
) -> Target:
    """Return the target that sends each of `bodies` to a model's handler over gRPC, with the token of now.

    Raises:
        ConfigError: the endpoint has no gRPC, or the token, model, version or a content type cannot be sent there.
        EngineNotFoundError: the extra `grpc` is not installed.
        EngineNotRunningError: its host name is not known.
    """
    from mardock.client import grpc

    grpc.grpc_library()
    name = grpc.grpc_address(endpoint)
    host, _, port = name.rpartition(":")
    family, address = _resolve(host, int(port))
    messages = (grpc.prediction_message(model, body, version=version, content_type=content_type) for body in bodies)
    metadata = grpc.call_metadata(endpoint, endpoint.credentials.inference())
    return Target(name, family, address, tuple(messages), metadata)


def http_post(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the bytes of one HTTP/1.1 POST that keeps its connection."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("ascii") + body


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    """Return what verifies a server's certificate and name, as requests does for other calls."""
    return ssl.create_default_context(cafile=certificates(endpoint.certificates))


def _resolve(host: str, port: int) -> tuple[int, Any]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise EngineNotRunningError(f"the host {host!r} is not known", hint="check the address") from error
    return family, address
