"""What goes wrong under Docker ends in one clear error, and leaves nothing half-made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mardock.engines.docker import compose, containers
from mardock.engines.docker.daemon import engine_answers, sdk
from mardock.engines.docker.engine import DockerEngine
from mardock.engines.docker.images import image_available
from mardock.errors import ConfigError, EngineError, EngineNotFoundError, EngineStartError

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject

    from mardock.engines.docker.launch import Service

NOWHERE = "127.0.0.1:1/nobody/torchserve:0"  # a registry that refuses connections


def nothing_is_left(engine: DockerEngine) -> bool:
    """Whether the engine has no container, no network and no volume of this project."""
    label = f"{containers.PROJECT_LABEL}={compose.project_name(engine.project)}"
    with sdk() as client:
        networks = client.networks.list(filters={"label": label})
        volumes = client.volumes.list(filters={"label": label})
        return containers.of_project(client, engine.project.root) == networks == volumes == []


def test_a_dead_engine_is_named(make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = DockerEngine(make_project())
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        for call in (engine.down, engine.status, lambda: engine.up(timeout=5), lambda: engine.run("dev")):
            with pytest.raises(EngineNotFoundError, match="no Docker Engine answers at unix://"):
                call()
        assert not engine_answers()


def test_an_image_that_cannot_be_had(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project(TORCHSERVE_IMAGE=NOWHERE))
    assert not image_available(NOWHERE)
    for call in (lambda: engine.up(timeout=60), lambda: engine.run("dev"), lambda: engine.build("dev")):
        with pytest.raises(EngineError, match=f"cannot pull {NOWHERE}") as caught:
            call()
        assert "mardock serve build" in (caught.value.hint or "")
    assert nothing_is_left(engine)


def test_an_image_that_is_here_is_available(torchserve_image: str) -> None:
    assert image_available(torchserve_image)


def test_a_server_that_ends_at_once(make_project: MakeProject) -> None:
    project = make_project()
    (project.root / "torchserve/log4j2.xml").unlink()  # then the built-in one would do
    (project.root / "torchserve/log4j2.xml").mkdir()
    engine = DockerEngine(project)
    with pytest.raises(EngineStartError, match="ended while it started") as caught:
        engine.up(timeout=60)
    assert "log4j2.xml" in (caught.value.details or "")
    assert nothing_is_left(engine)


def test_a_server_that_does_not_answer_in_time(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project())
    with pytest.raises(EngineStartError, match="did not answer in time"):
        engine.up(timeout=0)
    assert nothing_is_left(engine)


@pytest.mark.parametrize("service", ["dev", "serve"])
def test_down_removes_what_belonged_to_containers_that_are_gone(make_project: MakeProject, service: Service) -> None:
    engine = DockerEngine(make_project())
    name = engine.run(service).name
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)
    assert not nothing_is_left(engine)
    engine.down()
    assert nothing_is_left(engine)


def test_configuration_torchserve_would_swallow(make_project: MakeProject) -> None:
    project = make_project()
    with (project.root / "torchserve/config.properties").open("a") as file:
        file.write("job_queue_size=many\n")
    with pytest.raises(ConfigError, match="job_queue_size"):
        DockerEngine(project).up(timeout=60)


def test_a_file_where_a_folder_belongs(make_project: MakeProject) -> None:
    project = make_project()
    (project.root / "logs").touch()
    with pytest.raises(EngineError, match="is not a folder"):
        DockerEngine(project).up(timeout=60)


@pytest.mark.parametrize("service", ["dev", "serve"])
def test_a_container_name_of_somebody_else(make_project: MakeProject, torchserve_image: str, service: str) -> None:
    project = make_project()
    name = f"{project.root.name}-taken"
    create = ["docker", "create", "--name", name, torchserve_image]
    subprocess.run(create, check=True, capture_output=True)
    try:
        with pytest.raises(EngineError, match=f"{name} is there already and belongs to no mardock project") as caught:
            DockerEngine(project).run(service, name)  # type: ignore[arg-type]
        assert "container_name=" in (caught.value.hint or "")
    finally:
        subprocess.run(["docker", "rm", name], check=True, capture_output=True)


def test_a_build_that_fails_says_where(make_project: MakeProject) -> None:
    project = make_project(TORCHSERVE_IMAGE="mardock-broken:test")
    (project.root / "torchserve/Dockerfile").write_text("FROM scratch\nCOPY no-such-file /\n")
    with pytest.raises(EngineError, match="mardock-broken:test could not be built") as caught:
        DockerEngine(project).build("serve")
    assert "no-such-file" in (caught.value.details or "")


def test_two_ups_at_once_give_one_server(make_project: MakeProject) -> None:
    project = make_project()
    code = (
        "import sys, pathlib; from mardock.engines.docker.engine import DockerEngine; "
        "from mardock.settings.project import Project; "
        "print(DockerEngine(Project(pathlib.Path(sys.argv[1]))).up(timeout=120).inference_url)"
    )
    argv = [sys.executable, "-c", code, str(project.root)]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {one.communicate(timeout=120)[0] for one in both}
    assert [one.returncode for one in both] == [0, 0]
    assert len(answers) == 1
