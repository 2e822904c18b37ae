"""Why an engine or compose could not start containers, where its words alone help nobody: the sentence and the mend."""

from __future__ import annotations

from typing import NamedTuple, Optional

from mardock.engines.docker import gpus


class StartFailure(NamedTuple):
    """What went wrong, in a sentence, and what mends it."""

    message: str
    hint: str


_NO_NETWORK = StartFailure(
    "the Docker Engine has no room for another network",
    "docker network prune removes the networks that no container uses",
)
_NO_GPU = StartFailure("containers get no NVIDIA GPU here, and the project's compose files ask for one", gpus.MEND)
_SAID = {
    "address pool": _NO_NETWORK,  # "all predefined address pools have been fully subnetted", and older engines' words
    "could not select device driver": _NO_GPU,  # without the toolkit
    "nvidia-container-cli": _NO_GPU,  # the toolkit's own, without a driver
    "unknown or invalid runtime name: nvidia": _NO_GPU,
    "unresolvable CDI devices nvidia": _NO_GPU,
}


def find(text: str) -> Optional[StartFailure]:
    """Return the cause that a tool's or the engine's words tell of, when it is a known one."""
    return next((cause for words, cause in _SAID.items() if words in text), None)
