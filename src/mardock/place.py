"""Where this mardock runs: on the host, or in the dev container, which docker-compose.yml tells that it is one."""

from __future__ import annotations

import os

VARIABLE = "MARDOCK_INSIDE"
OUTSIDE = "MARDOCK_OUTSIDE"
"""Tells the dev container what is mounted into it of files that its project names outside of its folder."""


def inside() -> bool:
    """Say whether this is the dev container: TorchServe runs in another one, and the host starts and stops it."""
    return os.environ.get(VARIABLE) == "dev"


def from_outside() -> list[str]:
    """Return the paths in the dev container of what is mounted there from outside of the project's folder."""
    return [path for path in os.environ.get(OUTSIDE, "").split(os.pathsep) if path] if inside() else []


def this_process() -> str:
    """Return what commands elsewhere are told of this process: its pid, and the container in which that counts."""
    return f"{os.getpid()} in the container {os.uname().nodename}" if inside() else str(os.getpid())


def told_here(process: str) -> str:
    """Return what another process told of itself as it is understood here: a pid alone is one of the host's."""
    return f"{process} on the host" if inside() and process.isdigit() else process
