"""The ports a server is to listen on: who holds one already, and which is free instead."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Optional

from mardock import process
from mardock.errors import EngineStartError

LOWEST_UNPRIVILEGED = 1024


def refuse_taken(
    ports: Mapping[str, int],
    *,
    holder: Callable[[int], Optional[str]] = process.port_holder,
    privileged: bool = False,
) -> None:
    """Refuse ports of 127.0.0.1 that cannot be listened on.

    Args:
        ports: by the variable that sets each.
        holder: names what listens on a port, if that can be known.
        privileged: whether the server may listen where this process may not.

    Raises:
        EngineStartError: naming each port with its holder, and free ones to set.
    """
    problems = []
    remedies = []
    avoided = set(ports.values())
    for variable, port in ports.items():
        refusal = _refusal(port)
        if refusal is None or (privileged and refusal.errno != errno.EADDRINUSE):
            continue
        if refusal.errno == errno.EADDRINUSE:
            problems.append(f"port {port} is taken by {holder(port) or 'another process'}")
        else:
            problems.append(f"port {port} cannot be used: {refusal.strerror}")
        free = _next_free(port, avoided)
        avoided.add(free)
        remedies.append(f"{variable}={free}")
    if problems:
        details = "\n".join(problems[1:]) or None
        raise EngineStartError(problems[0], details=details, hint="\n".join(["set in .env:", *remedies]))


def _refusal(port: int) -> Optional[OSError]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections do not hold a port
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error
    return None


def _next_free(port: int, avoided: set[int]) -> int:
    start = max(port, LOWEST_UNPRIVILEGED)
    for free in chain(range(start + 1, 65536), range(LOWEST_UNPRIVILEGED, start)):
        if free not in avoided and _refusal(free) is None:
            return free
    raise EngineStartError("no port of this machine is free", hint="end what holds them: ss -ltnp")
