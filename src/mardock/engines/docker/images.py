"""Images: which one TorchServe runs from, having it here, and building the project's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock import process
from mardock.engines.docker.daemon import sdk
from mardock.errors import EngineError
from mardock.listener import Listener

if TYPE_CHECKING:
    from docker import DockerClient

    from mardock.settings.schema import Machine

OWN_IMAGE = "mardock-torchserve:0.12.0"
OFFICIAL_GPU_IMAGE = "pytorch/torchserve:0.12.0-gpu"  # docker-compose.gpu.yml's
PROBE_SECONDS = 5
_FROM_ENVIRONMENT = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "TORCH_INDEX_URL")


def image_available(image: str) -> bool:
    """Say whether an image is here, or its registry says within seconds that it could be had.

    Raises:
        EngineNotFoundError: no engine answers.
    """
    from docker.errors import DockerException

    with sdk(PROBE_SECONDS) as client:
        if is_local(client, chosen(client, image)):
            return True
        try:
            client.images.get_registry_data(image)
        except (DockerException, OSError):
            return False
    return True


def chosen(client: DockerClient, image: str) -> str:
    """Return the image that runs for the one that is set: the project's own where only that is here."""
    if is_default(image) and not is_local(client, image) and is_local(client, OWN_IMAGE):
        return OWN_IMAGE
    return image


def official() -> str:
    """Return the official image, which runs unless the settings name another."""
    from mardock.settings.schema import Machine

    return Machine.torchserve_image


def is_default(image: str) -> bool:
    """Say whether an image is the official one."""
    return image == official()


def is_local(client: DockerClient, image: str) -> bool:
    """Say whether the engine has an image."""
    from docker.errors import ImageNotFound

    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def pull(client: DockerClient, image: str, listener: Listener, *, variable: str = "TORCHSERVE_IMAGE") -> None:
    """Fetch an image; layers that are here already are not fetched again, nor after an interruption.

    Args:
        listener: notes whenever a layer is complete.
        variable: what names it in .env.

    Raises:
        EngineError: it cannot be had, with the registry's reason.
    """
    from docker.errors import APIError

    complete: dict[str, bool] = {}
    try:
        for event in client.api.pull(image, stream=True, decode=True):
            if "error" in event:
                raise _no_image(image, variable, event["error"])
            if event.get("status") in ("Pulling fs layer", "Pull complete", "Already exists"):
                complete[event["id"]] = event["status"] != "Pulling fs layer"
                listener.note(f"pulling {image}: {sum(complete.values())} of {len(complete)} layers")
    except APIError as error:
        raise _no_image(image, variable, str(error.explanation or error)) from error


def own_tag(image: str) -> str:
    """Return what the own image is called that takes a set one's place: the same, unless that is an official one."""
    if is_default(image):
        return OWN_IMAGE
    return f"{OWN_IMAGE}-gpu" if image == OFFICIAL_GPU_IMAGE else image


def build_own(
    root: Path,
    tag: str,
    machine: Machine,
    environ: Mapping[str, str],
    listener: Listener,
    *,
    gpu: bool = False,
) -> None:
    """Build torchserve/Dockerfile with the machine's base image and build network; see `build`.

    Args:
        gpu: with PyTorch's GPU build, which is what pip's own index has, instead of its CPU build.
    """
    argv = build_argv(tag, machine, environ)
    if gpu and not environ.get("TORCH_INDEX_URL"):
        argv[-1:-1] = ["--build-arg", "TORCH_INDEX_URL="]
    build(root, argv, tag, environ, listener)


def build(root: Path, argv: Sequence[str], tag: str, environ: Mapping[str, str], listener: Listener) -> None:
    """Run a docker command that builds an image.

    Raises:
        EngineError: the build failed; `details` holds its last lines.
    """
    try:
        for line in process.stream(argv, cwd=root, env=environ):
            listener.note(line)
    except EngineError as error:
        raise EngineError(
            f"the image {tag} could not be built",
            details=error.details,
            hint="in a closed network, lay wheels and the CA certificate (*.crt) into wheels/",
        ) from error


def build_argv(
    tag: str,
    machine: Machine,
    environ: Mapping[str, str],
    *,
    dockerfile: str = "torchserve/Dockerfile",
    base: Optional[str] = None,
) -> list[str]:
    """Return the docker command that builds a Dockerfile; what pip is told stays in the environment."""
    argv = ["docker", "build", "--file", dockerfile, "--tag", tag]
    argv += ["--build-arg", f"BASE_IMAGE={base or machine.base_image}", "--network", machine.build_network]
    for name in _FROM_ENVIRONMENT:
        if environ.get(name):
            argv += ["--build-arg", name]  # without its value, which may hold a password
    return [*argv, "."]


def is_built_on(client: DockerClient, image: str, base: str) -> bool:
    """Say whether an image is here and was built from the present version of its base."""
    if not is_local(client, image):
        return False
    layers, below = (client.images.get(name).attrs["RootFS"]["Layers"] for name in (image, base))
    return bool(layers[: len(below)] == below)


def _no_image(image: str, variable: str, reason: str) -> EngineError:
    hint = f"mardock serve build builds one from torchserve/Dockerfile; another is named in .env: {variable}=…"
    return EngineError(f"cannot pull {image}: {reason}", hint=hint)
