"""The images TorchServe runs from in tests: the project's own, and the official one or what stands in for it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Callable, NoReturn
from uuid import uuid4

from mardock.engines.docker import daemon, images

REPOSITORY = Path(__file__).parents[2]
BUILD_OFFICIAL = ".ci/official-image/build"
KINDS = ("own", "official")


def unique_name() -> str:
    """Return a name for a project whose containers run beside others; the gate removes what is left of such names."""
    return f"mardock-test-{uuid4().hex[:8]}"


def image(kind: str, require: Callable[[str, str], NoReturn]) -> str:
    """Return the image of a kind, which is here.

    Args:
        require: called with what is missing, which ends the test.
    """
    if not daemon.engine_answers():
        require("docker", "no Docker Engine answers")
    if kind == "own":
        tag, how = images.OWN_IMAGE, "make serve-build"
    else:
        argv = [str(REPOSITORY / BUILD_OFFICIAL), "--tag"]
        tag, how = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip(), BUILD_OFFICIAL
    with daemon.sdk() as client:
        if not images.is_local(client, tag):
            require(kind, f"there is no image {tag}: {how}")
    return tag
