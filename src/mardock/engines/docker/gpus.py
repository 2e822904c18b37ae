"""NVIDIA GPUs: whether the project's compose files ask for them, and what this machine lacks to give them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from docker import DockerClient

_FILES = "docker-compose.yml:docker-compose.gpu.yml"
IMAGE_VARIABLE = "TORCHSERVE_GPU_IMAGE"
MEND = (
    "install NVIDIA's driver and its Container Toolkit, or take docker-compose.gpu.yml out of COMPOSE_FILE"
    " or MARDOCK_COMPOSE_FILE"
)
_DRIVER = Path("/proc/driver/nvidia/version")
_WSL = Path("/dev/dxg")
_HOOK = "nvidia-container-runtime-hook"  # what an engine looks for on its PATH


def asked_for(services: Mapping[str, Any]) -> bool:
    """Say whether the service that TorchServe runs in asks for GPUs, as compose sees it."""
    serve = services["serve"]
    devices = serve.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
    return bool(serve.get("gpus")) or any("gpu" in device.get("capabilities", []) for device in devices)


def image_variable(services: Mapping[str, Any]) -> str:
    """Return the variable of .env that names the image TorchServe runs from."""
    return IMAGE_VARIABLE if asked_for(services) else "TORCHSERVE_IMAGE"


def override(*, shared: bool) -> str:
    """Return the line of .env that asks for GPUs.

    Args:
        shared: whether the project's compose files are mardock's, and so what COMPOSE_FILE names.
    """
    return f"{'COMPOSE_FILE' if shared else 'MARDOCK_COMPOSE_FILE'}={_FILES}"


def driver() -> Optional[str]:
    """Return this machine's NVIDIA driver by its version; `None` when it has none."""
    if _DRIVER.is_file():
        words = _DRIVER.read_text(encoding="utf-8", errors="replace").split()
        return next((word for word in words if word.replace(".", "").isdigit()), "of an unknown version")
    return "of Windows" if _WSL.exists() else None


def toolkit(client: DockerClient) -> bool:
    """Say whether the engine can hand NVIDIA GPUs to containers, as far as can be seen from outside it."""
    info = client.info()
    kinds = [device.get("Source", "") + device.get("ID", "") for device in info.get("DiscoveredDevices") or []]
    return "nvidia" in info.get("Runtimes", {}) or any("nvidia" in kind for kind in kinds) or bool(shutil.which(_HOOK))
