"""Ports for a benchmark's own project, so that it runs beside any other server."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from socket import create_server

APIS = ("inference", "management", "metrics", "grpc_inference", "grpc_management")


def free() -> dict[str, int]:
    """Return a free port for each API."""
    with ExitStack() as stack:
        probes = [stack.enter_context(create_server(("127.0.0.1", 0))) for _ in APIS]
        return {api: int(probe.getsockname()[1]) for api, probe in zip(APIS, probes)}


def claim(project: Path) -> dict[str, int]:
    """Write a free port for each API into a project's .env and return them."""
    ports = free()
    lines = (f"MARDOCK_{api}_PORT={port}\n".upper() for api, port in ports.items())
    (project / ".env").write_text("".join(lines), encoding="ascii")
    return ports


def properties(ports: dict[str, int]) -> str:
    """Return the same ports as lines of TorchServe's config.properties."""
    addresses = [f"{api}_address=http://127.0.0.1:{ports[api]}\n" for api in APIS[:3]]
    return "".join([*addresses, *(f"{api}_port={ports[api]}\n" for api in APIS[3:])])
