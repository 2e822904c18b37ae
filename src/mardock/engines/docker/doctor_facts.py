"""What a machine's images and GPUs are, for `mardock doctor`: looked at, and nothing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Optional

from mardock.engines.docker import capabilities, compose, compose_files, daemon, gpus, images
from mardock.engines.docker.daemon import sdk
from mardock.errors import EngineError

if TYPE_CHECKING:
    from docker import DockerClient

    from mardock.settings.project import Project


@dataclass(frozen=True)
class ImageAge:
    """One image.

    Attributes:
        kind: `official`, `own`, or `other` when it is neither and the project uses it.
        finding: its age and what it holds, or that it is not here.
        used: whether the project's TorchServe runs from it.
        mend: what to do when it is used and cannot be; `None` when nothing is wrong.
    """

    kind: str
    finding: str
    used: bool
    mend: Optional[str] = None


def image_ages(project: Project, today: date) -> list[ImageAge]:
    """Return the age and the contents of the official image, of the project's own, and of a third where that is used.

    Raises:
        EngineError: the Docker Engine cannot be asked.
    """
    with sdk() as client:
        services = _services(project, client)
        used = services["serve"]["image"]
        gpu = gpus.asked_for(services)
        known = {
            "official": images.OFFICIAL_GPU_IMAGE if gpu else images.official(),
            "own": images.own_tag(images.OFFICIAL_GPU_IMAGE if gpu else images.official()),
        }
        if used not in known.values():
            known["other"] = used
        variable = gpus.image_variable(services)
        return [_age(project, client, kind, image, image == used, variable, today) for kind, image in known.items()]


def gpu(project: Project) -> str:
    """Say what there is of NVIDIA GPUs, and whether the project's compose files ask for them.

    Raises:
        EngineError: they ask, and this machine cannot give them.
    """
    with sdk() as client:
        asked = gpus.asked_for(_services(project, client))
        driver, toolkit = gpus.driver(), gpus.toolkit(client)
    has = f"NVIDIA driver {driver or 'not found'}, container toolkit {'found' if toolkit else 'not found'}"
    # The driver of a remote engine's machine is not to be seen from here.
    if asked and not (toolkit and (driver or not daemon.is_local())):
        raise EngineError(f"the project's compose files ask for NVIDIA GPUs: {has}", hint=gpus.MEND)
    if asked:
        return f"{has}; containers get all GPUs"
    line = gpus.override(shared=compose_files.of(project).shared)
    usable = f"; {line} in .env uses it" if driver and toolkit else ""
    return f"not asked for: {has}{usable}"


def _services(project: Project, client: DockerClient) -> Mapping[str, Any]:
    image = images.chosen(client, project.settings.machine.torchserve_image)
    return compose.services(project, compose.environment(project, image))


def _age(
    project: Project, client: DockerClient, kind: str, image: str, used: bool, variable: str, today: date
) -> ImageAge:
    in_use = " (in use)" if used else ""
    if not images.is_local(client, image):
        return ImageAge(kind, f"{image}{in_use} is not here", used)
    found = client.images.get(image)
    created = date(*map(int, found.attrs["Created"][:10].split("-")))
    days = (today - created).days
    holds = capabilities.of(project, image, str(found.id))
    versions = {"Python": holds.python_version, "torch": holds.torch, "TorchServe": holds.torchserve}
    told = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    missing = holds.missing(dev=False) if used else []
    mend = f"name another in .env: {variable}=…" if missing else None
    return ImageAge(
        kind, f"{image}{in_use}, of {created} ({days} {'day' if days == 1 else 'days'} old): {told}", used, mend
    )
