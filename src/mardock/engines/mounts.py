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

PROJECT = HOME / "project"
"""Where the dev container has the project's whole folder."""

_COMPOSED = {"artifacts": STORE.name, "logs": "logs", "src": "src", "torchserve": "torchserve"}

_MOST_LINKS = 40  # the kernel's own limit

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


def outside(root: Path, path: str) -> Mapping[Path, Path]:
    """Return the real path of what a project names outside of its folder, by where its dev container looks for it.

    Nothing is returned for what lies in the folder, or is not there.

    Args:
        path: relative to the folder, or absolute; links in the folder are followed as they are in the container.
    """
    real, real_root = Path(os.path.realpath(root / path)), Path(os.path.realpath(root))
    if not real.exists() or real_root in (real, *real.parents):
        return {}
    inside, links = Path(os.path.normpath(PROJECT / path)), 0
    while links < _MOST_LINKS and (link := _first_link(inside, real_root)):
        inside = Path(os.path.normpath(link.parent / _here(link, real_root).readlink() / inside.relative_to(link)))
        links += 1
    return {} if PROJECT in (inside, *inside.parents) else {inside: real}


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


def _first_link(inside: Path, root: Path) -> Optional[Path]:
    """Return the first link of the project on the way to a path of the dev container."""
    ways = [one for one in (*reversed(inside.parents), inside) if PROJECT in one.parents]
    return next((one for one in ways if _here(one, root).is_symlink()), None)


def _here(inside: Path, root: Path) -> Path:
    return root / inside.relative_to(PROJECT)


def _innermost(inside: Path, mounts: Mounts) -> Path:
    """Return which of the mounts a path in the container lies in: one may hide a part of another."""
    return max((target for target in mounts if target in (inside, *inside.parents)), key=lambda one: len(one.parts))
