"""The Docker engine: TorchServe and the dev container under Docker Compose."""

from mardock.engines.docker.daemon import check, engine_answers
from mardock.engines.docker.engine import DockerEngine
from mardock.engines.docker.images import OWN_IMAGE, image_available
from mardock.engines.docker.launch import Service, Started

__all__ = [
    "OWN_IMAGE",
    "DockerEngine",
    "Service",
    "Started",
    "check",
    "engine_answers",
    "image_available",
]
