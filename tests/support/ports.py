"""Free ports that stay free until a server takes them, whatever else runs: other workers, their clients, other runs."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator

_RANGE = range(12_000, 32_000)  # below those that systems give to outgoing connections
_WORKERS = 8
_SHARE = len(_RANGE) // _WORKERS


def _candidates() -> Iterator[int]:
    """Yield the ports of this worker's share again and again, from a place of this process's own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = _RANGE[worker % _WORKERS * _SHARE :][:_SHARE]
    start = os.getpid() * 97 % _SHARE
    return itertools.cycle((*share[start:], *share[:start]))


_next = _candidates()


def free_ports(count: int, *, above: tuple[int, ...] = ()) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on; no two calls of a process return the same one soon.

    Args:
        above: distances from each port at which another one has to be free, too.
    """
    found = (port for port in _next if all(_is_free(port + distance) for distance in (0, *above)))
    return list(itertools.islice(found, count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
