"""What a server in a container sees of the project: which of its folders are mounted there, and where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

HOME = Path("/home/model-server")
"""The folder of TorchServe's user in the official image; docker-compose.yml mounts into it in any other, too."""

STORE = HOME / "model-store"
"""Where artifacts/ is mounted; containers with it are mardock's."""

_COMPOSED = {"artifacts": STORE.name, "logs": "logs", "src": "src", "torchserve": "torchserve"}

Mounts = Mapping[Path, Optional[Path]]
"""The real path of what is mounted, by its path in the container; None for what is no folder of this machine."""


def composed(root: Path) -> Mounts:
    """Return what docker-compose.yml mounts into the serve container of a project."""
    return {HOME / target: Path(os.path.realpath(root / source)) for source, target in _COMPOSED.items()}


def bind(source: Path, target: Path) -> dict[str, Any]:
    """Return a mount as docker-compose.yml has it, which can only be read and is never made by the engine."""
    quoted = str(source).replace("$", "$$")
    return {
        "type": "bind",
        "source": quoted,
        "target": str(target),
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def seen(path: Path, mounts: Mounts) -> Optional[Path]:
    """Return a path of this machine as the container has it; None when it has not.

    Args:
        path: there or not; links are followed, for in the container they may lead nowhere.
    """
    real = Path(os.path.realpath(path))
    for target, source in mounts.items():
        if source in (real, *real.parents):
            inside = target / real.relative_to(source)
            if target == _innermost(inside, mounts):
                return inside
    return None


def _innermost(inside: Path, mounts: Mounts) -> Path:
    """Return which of the mounts a path in the container lies in: one may hide a part of another."""
    return max((target for target in mounts if target in (inside, *inside.parents)), key=lambda one: len(one.parts))
