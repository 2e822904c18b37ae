"""A clock that only a test moves, and a contract over files in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mardock.deploy.rehearsal.contract import Contract, Limit, SettingFiles
from mardock.deploy.rehearsal.places import Place
from mardock.deploy.rehearsal.prober import Probe

SPEC = Path("torchserve/echo/torchserve-deployment.yaml")
CONFIG = Path("torchserve/config.properties")
DOCKERFILE = Path("torchserve/echo/Dockerfile")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


def write(root: Path, path: Path, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


def agreed(root: Path, *, config: str = "", dockerfile: str | None = None, **values: Any) -> Contract:
    """A contract whose spec is empty unless it was written before."""
    if not (root / SPEC).exists():
        write(root, SPEC, "instance_type: small\n")
    write(root, CONFIG, config)
    if dockerfile is not None:
        write(root, DOCKERFILE, dockerfile)
    own = DOCKERFILE if dockerfile is not None else None
    packages = (Place("torchserve/echo/requirements.txt"), "write the package of {module} into requirements.txt")
    made = Contract(
        image="shop/echo",
        command=(),
        environment={},
        files={},
        config=config,
        model="model",
        version="1.0",
        port=8080,
        liveness=Probe("liveness", "/ping", initial_delay=1, period=1, failure_threshold=60),
        readiness=Probe("readiness", "/ping", initial_delay=1, period=1, failure_threshold=60),
        request_timeout=Limit(5, "request_timeout_ms", Place(SPEC.as_posix(), 3)),
        largest_archive=None,
        sources=SettingFiles(root, SPEC, own, CONFIG if own is None else None, packages),
    )
    return replace(made, **values)
