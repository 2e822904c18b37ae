"""A project that asks for NVIDIA GPUs on a machine without: said once, with what mends it, and nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.docker.derived import docker
from tests.support.command import mardock

from mardock.engines import select
from mardock.engines.docker import gpus
from mardock.engines.docker.daemon import sdk
from mardock.engines.docker.engine import DockerEngine
from mardock.errors import EngineError
from mardock.listener import SILENT

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject

    from mardock.settings.project import Project

FILES = "docker-compose.yml:docker-compose.gpu.yml"
ENGINE_SAYS = "could not select device driver"


@pytest.fixture
def project(make_project: MakeProject, torchserve_image: str) -> Project:
    """A project that asks for GPUs."""
    with sdk() as client:
        if gpus.toolkit(client):
            pytest.skip("this machine has the NVIDIA Container Toolkit")
    return make_project(
        COMPOSE_FILE=FILES,
        TORCHSERVE_GPU_IMAGE=torchserve_image,
        MARDOCK_DEV_IMAGE="mardock-gpu:test",
        MARDOCK_ENGINE="docker",
    )


@pytest.mark.parametrize("command", [["up"], ["serve", "run"], ["dev", "run"]], ids=" ".join)
def test_it_is_said_once(project: Project, command: list[str]) -> None:
    for _ in range(2):
        ended = mardock(project.root, *command)
        assert ended.code == 3
        assert ended.err.count(ENGINE_SAYS) == 1, ended.err
        assert "error: docker compose up failed: containers get no NVIDIA GPU here" in ended.err
        assert "docker-compose.gpu.yml out of COMPOSE_FILE" in ended.err.splitlines()[-1]
        label = f"label=com.docker.compose.project.working_dir={project.root}"
        assert not docker("ps", "--all", "--quiet", "--filter", label)


def test_doctor_fails_where_gpus_are_asked_for(project: Project) -> None:
    found = {check["name"]: check for check in mardock(project.root, "doctor", "--json").json}
    assert not found["gpu"]["ok"]
    assert found["gpu"]["hint"] == gpus.MEND
    assert found["image"]["finding"].startswith(f"{project.settings.machine.torchserve_image} (in use), of ")
    assert found["official image"]["finding"] == "pytorch/torchserve:0.12.0-gpu is not here"


def test_doctor_tells_of_gpus_and_images_anyhow(make_project: MakeProject, torchserve_image: str) -> None:
    found = {check["name"]: check for check in mardock(make_project().root, "doctor", "--json").json}
    assert found["gpu"]["ok"]
    assert found["gpu"]["finding"].startswith("not asked for: NVIDIA driver ")
    used = [check for name, check in found.items() if name.endswith("image") and "(in use)" in check["finding"]]
    assert len(used) == 1
    assert used[0]["finding"].startswith(torchserve_image)
    assert "Python 3." in used[0]["finding"]
    assert "torch 2." in used[0]["finding"]
    assert {"official image", "own image"} <= set(found)


def test_what_auto_takes_is_decided_by_the_image_that_is_used(make_project: MakeProject, torchserve_image: str) -> None:
    nowhere = "127.0.0.1:1/nobody/torchserve:0"
    project = make_project(COMPOSE_FILE=FILES, TORCHSERVE_GPU_IMAGE=torchserve_image, TORCHSERVE_IMAGE=nowhere)
    assert select.create(project, SILENT).name == "docker"


def test_the_hint_and_the_build_are_of_the_image_it_uses(make_project: MakeProject) -> None:
    nowhere = "127.0.0.1:1/nobody/torchserve:0-gpu"
    engine = DockerEngine(make_project(COMPOSE_FILE=FILES, TORCHSERVE_GPU_IMAGE=nowhere))
    with pytest.raises(EngineError, match=f"cannot pull {nowhere}") as caught:
        engine.up(timeout=60)
    assert "TORCHSERVE_GPU_IMAGE=" in (caught.value.hint or "")
    (engine.project.root / "torchserve/Dockerfile").write_text(
        "ARG TORCH_INDEX_URL=cpu\nFROM ${TORCH_INDEX_URL:-gpu}\n"
    )
    with pytest.raises(EngineError, match=f"the image {nowhere} could not be built") as caught:
        engine.build("serve")
    assert "cpu" not in (caught.value.details or "")
    assert engine.image_variable() == "TORCHSERVE_GPU_IMAGE"
