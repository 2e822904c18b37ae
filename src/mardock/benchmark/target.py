"""Target: one address and the ready-made requests to send there."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Optional

from mardock.client.addressing import authorization, inference_path, split_address
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
    """

    name: str
    family: int
    address: Any
    requests: tuple[bytes, ...] = field(repr=False)
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)

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
    """Return the target that sends each of `bodies` to a model's handler.

    Raises:
        ConfigError: the endpoint's address, token, the model or the version cannot stand in a request.
        EngineNotRunningError: its host name is not known.
    """
    parts = split_address(endpoint.inference_url)
    if parts.scheme != "http":
        raise ConfigError(
            f"bench speaks plain HTTP, not {parts.scheme}", hint="name the address behind the TLS proxy, as http://…"
        )
    host, port = parts.hostname or "", parts.port or 80
    headers = {"Host": parts.netloc.rpartition("@")[2], **authorization(endpoint.inference_token)}
    if content_type is not None:
        if not content_type.isascii() or not content_type.isprintable():
            raise ConfigError(f"{content_type!r} is not a content type", hint="e.g. --content-type application/json")
        headers["Content-Type"] = content_type
    path = parts.path.rstrip("/") + inference_path("predictions", model, version)
    family, address = _resolve(host, port)
    return Target(f"{host}:{port}", family, address, tuple(http_post(path, headers, body) for body in bodies))


def grpc_target(
    endpoint: Endpoint,
    model: str,
    bodies: Sequence[bytes],
    *,
    version: Optional[str] = None,
    content_type: Optional[str] = None,
) -> Target:
    """Return the target that sends each of `bodies` to a model's handler over gRPC.

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
    return Target(name, family, address, tuple(messages), grpc.call_metadata(endpoint))


def http_post(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the bytes of one HTTP/1.1 POST that keeps its connection."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("ascii") + body


def _resolve(host: str, port: int) -> tuple[int, Any]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise EngineNotRunningError(f"the host {host!r} is not known", hint="check the address") from error
    return family, address
