"""The serve container: what runs in it, as whom, and who can reach it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.waiting import eventually

from mardock.client import probe, tokens
from mardock.client.management import ManagementClient
from mardock.endpoint import Tokens
from mardock.engines import select
from mardock.engines.docker import containers
from mardock.engines.docker.daemon import sdk
from mardock.engines.docker.engine import DockerEngine
from mardock.errors import EngineError, EngineNotRunningError

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject


KILL_JAVA = """
import os, pathlib
for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if b"org.pytorch.serve.ModelServer" in file.read_bytes().split(bytes(1)):
        os.kill(int(file.parent.name), 9)
"""


def inspected(engine: DockerEngine) -> dict[str, Any]:
    """The engine's own word on the serve container."""
    done = subprocess.run(
        ["docker", "inspect", engine.status().details["container"]], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def health(engine: DockerEngine) -> int:
    """The exit code of the health check's command, run now."""
    container = inspected(engine)
    kind, command = container["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD-SHELL"
    argv = ["docker", "exec", container["Name"].lstrip("/"), "sh", "-c", command]
    return subprocess.run(argv, check=False).returncode


def test_it_answers_and_is_healthy(served: DockerEngine) -> None:
    assert probe.answers(served.endpoint(), 5)
    assert health(served) == 0


def test_it_runs_torchserve_in_the_foreground_under_an_init(served: DockerEngine) -> None:
    container = inspected(served)
    assert container["HostConfig"]["Init"] is True
    top = subprocess.run(
        ["docker", "top", container["Id"], "-o", "pid,args"], check=True, capture_output=True, text=True
    ).stdout
    assert "/warm/launcher.py --disable-token-auth --start --foreground" in top
    assert "org.pytorch.serve.ModelServer" in top
    assert "tail" not in top


def test_it_ends_as_its_java_does(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project())
    engine.up(timeout=120)
    name = engine.status().details["container"]
    subprocess.run(["docker", "exec", name, "python", "-c", KILL_JAVA], check=True)
    assert subprocess.run(["docker", "wait", name], check=True, capture_output=True).stdout == b"137\n"
    assert inspected(engine)["RestartCount"] == 0  # a server without its models helps nobody
    with pytest.raises(EngineNotRunningError) as caught:
        engine.endpoint()
    for error in (caught.value, select.not_running(engine.project)):
        assert f"the TorchServe container {name} ended with 137 at " in error.message
        assert "mardock up" in (error.hint or "")
    assert probe.answers(engine.up(timeout=120), 5)
    engine.stop("serve")
    assert "ended" not in select.not_running(engine.project).message
    engine.down()
    assert select.not_running(engine.project).message == "TorchServe is not running for this project"


def test_it_ends_at_sigterm(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project())
    engine.up(timeout=120)
    name = engine.status().details["container"]
    subprocess.run(["docker", "stop", "--time", "120", name], check=True, capture_output=True)
    assert inspected(engine)["State"]["ExitCode"] == 143
    engine.down()


def test_it_has_no_more_rights_than_it_needs(served: DockerEngine) -> None:
    container = inspected(served)
    host = container["HostConfig"]
    assert container["Config"]["User"].split(":")[0] not in ("", "0", "root")
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["CapDrop"] == ["ALL"]
    assert host["ReadonlyRootfs"] is True
    assert host["PidsLimit"] > 0
    assert not host["Privileged"]


def test_its_ports_are_this_machine_s_alone(served: DockerEngine) -> None:
    bindings = inspected(served)["HostConfig"]["PortBindings"]
    assert set(bindings) == {"8080/tcp", "8081/tcp", "8082/tcp", "7070/tcp", "7071/tcp"}
    assert {outer["HostIp"] for outers in bindings.values() for outer in outers} == {"127.0.0.1"}


def test_its_mounts_are_the_ones_its_users_know(served: DockerEngine) -> None:
    mounts = {mount["Destination"]: mount for mount in inspected(served)["Mounts"]}
    assert mounts.pop("/tmp")["Type"] == "volume"
    home = "/home/model-server"
    found = {target: (mount["Source"].rsplit("/", 1)[1], mount["RW"]) for target, mount in mounts.items()}
    assert found == {
        f"{home}/model-store": ("artifacts", True),
        f"{home}/src": ("src", False),
        f"{home}/torchserve": ("torchserve", False),
        f"{home}/logs": ("logs", True),
        "/opt/mardock/mardock": ("mardock", False),
    }


def test_its_logs_lie_in_the_project_and_come_from_the_engine(served: DockerEngine) -> None:
    assert (served.project.logs / "ts_log.log").stat().st_size > 0

    def log(tail: int) -> list[str]:
        return list(served.logs(follow=False, tail=tail))

    assert any("Model server started" in line for line in log(-1))
    eventually(lambda: log(2) == log(-1)[-2:], lambda: log(-1))  # a line may come between the two


def test_it_is_found_without_the_sdk(served: DockerEngine, make_project: MakeProject) -> None:
    assert containers.may_serve(served.project.root)
    assert not containers.may_serve(make_project().root)
    code = (
        "import pathlib, sys; from mardock.engines import select; from mardock.settings.project import Project; "
        "assert select.running(Project(pathlib.Path(sys.argv[1]))) is None; assert 'docker' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(make_project().root)], check=True)


def test_a_second_up_finds_it_running(served: DockerEngine) -> None:
    before = inspected(served)["State"]["StartedAt"]
    assert served.up(timeout=60) == served.endpoint()
    assert inspected(served)["State"]["StartedAt"] == before


def test_run_on_a_running_container_says_so(served: DockerEngine) -> None:
    assert served.run("serve").before == "running"


def test_a_second_container_of_another_name_is_refused(served: DockerEngine) -> None:
    with pytest.raises(EngineError, match="this project's TorchServe container is"):
        served.run("serve", "another")


def test_changed_settings_are_not_taken_up_silently(served: DockerEngine) -> None:
    project = type(served.project)(served.project.root, metrics_port=1)
    with pytest.raises(EngineError, match="runs with other settings") as caught:
        DockerEngine(project).up(timeout=60)
    assert "mardock down" in (caught.value.hint or "")


def test_a_killed_container_comes_up_again(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project())
    engine.up(timeout=120)
    name = engine.status().details["container"]
    subprocess.run(["docker", "kill", name], check=True, capture_output=True)
    assert not engine.status().running
    with pytest.raises(EngineNotRunningError):
        engine.endpoint()
    assert probe.answers(engine.up(timeout=120), 5)
    assert engine.stop("serve") == name
    assert engine.start("serve").before == "exited"
    engine.down()
    assert engine.status().details == {}
    engine.down()


def test_tokens(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project(MARDOCK_TOKEN_AUTH="true"))
    endpoint = engine.up(timeout=120)
    assert probe.models(endpoint, 5) == []
    assert str(endpoint.credentials.management()) not in repr(endpoint)
    with pytest.raises(Exception, match=r"token|key"):
        probe.models(replace(endpoint, credentials=Tokens(management_token="wrong-key")), 5)
    with ManagementClient(endpoint) as client:
        before = endpoint.credentials.management()
        argv = ["docker", "exec", engine.status().details["container"], "cat", containers.KEY_FILE]
        api_key = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)["API"]["key"]
        tokens.renew(endpoint, api_key, "management")  # as another command does
        assert client.list_models() == []
        assert endpoint.credentials.management() != before
    assert engine.endpoint() == endpoint
    assert health(engine) == 0


def test_two_projects_side_by_side(served: DockerEngine, make_project: MakeProject) -> None:
    other = DockerEngine(make_project())
    endpoint = other.up(timeout=120)
    assert endpoint.inference_url != served.endpoint().inference_url
    other.down()
    assert served.status().running


def test_a_folder_of_the_same_name_is_another_project(served: DockerEngine, make_project: MakeProject) -> None:
    twin = DockerEngine(make_project(served.project.root.name))
    assert not twin.status().running
    with pytest.raises(EngineError, match="belongs to") as caught:
        twin.up(timeout=60)
    assert "COMPOSE_PROJECT_NAME=" in (caught.value.hint or "")
    twin.down()
    assert served.status().running


def test_a_taken_port_names_its_holder(served: DockerEngine, make_project: MakeProject) -> None:
    port = served.endpoint().inference_url.rsplit(":", 1)[1]
    other = DockerEngine(make_project(MARDOCK_INFERENCE_PORT=port))
    with pytest.raises(EngineError, match=f"port {port} is taken by the container") as caught:
        other.up(timeout=60)
    assert "MARDOCK_INFERENCE_PORT=" in (caught.value.hint or "")
    with sdk() as client:
        assert containers.of_project(client, other.project.root) == []
