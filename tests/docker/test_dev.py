"""The dev container: where torch is, running the caller's own mardock on the caller's own files."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker import from_env

import mardock
from mardock.engines.docker.containers import of_project
from mardock.engines.docker.engine import DockerEngine
from mardock.engines.native.state import Home, Server, place
from mardock.errors import EngineError, EngineNotRunningError

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.fixture(scope="module")
def engine(make_project: MakeProject) -> DockerEngine:
    """The engine of a project with a running dev container."""
    engine = DockerEngine(make_project())
    assert engine.run("dev").before is None
    return engine


def shell(engine: DockerEngine, script: str) -> int:
    """The exit code of a script in the dev container, its output going where this process's goes."""
    return engine.exec(["sh", "-c", script], interactive=False)


def test_it_has_what_models_are_made_with(engine: DockerEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert shell(engine, "python -c 'import torch, ts, model_archiver, cyclonedx' && make --version >/dev/null") == 0
    assert engine.exec(["mardock", "--version"], interactive=False) == 0
    assert capfd.readouterr().out.strip() == f"mardock {mardock.__version__}"


def test_the_exit_code_comes_back(engine: DockerEngine) -> None:
    assert shell(engine, "exit 7") == 7


def test_it_works_in_the_project_s_folder(engine: DockerEngine) -> None:
    root = engine.project.root
    assert shell(engine, "echo made >artifacts/x && cmp artifacts/x ../model-store/x && test -f ../src/*/mnist.py") == 0
    assert (root / "artifacts/x").read_text() == "made\n"


def test_what_it_writes_is_not_root_s(engine: DockerEngine) -> None:
    assert shell(engine, "test $(id -u) -ne 0 && touch artifacts/whose") == 0
    assert (engine.project.root / "artifacts/whose").stat().st_uid == (os.getuid() or 1000)


def test_make_in_it_calls_mardock_in_place(engine: DockerEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert shell(engine, "make --dry-run mar && echo $MARDOCK_INSIDE") == 0
    out = capfd.readouterr().out
    assert "mardock mar mnist" in out
    assert ".venv" not in out
    assert out.strip().endswith("dev")


def test_the_host_s_own_server_is_none_of_its_business(engine: DockerEngine, capfd: pytest.CaptureFixture[str]) -> None:
    home = Home(engine.project.state)
    home.path.mkdir(parents=True)
    # In the container no such process is to be found, and what a dead server left would be swept away.
    home.write(Server(**{**{field.name: "" for field in dataclasses.fields(Server)}, "pid": 1, "place": place()}))
    before = (home.path / "server.json").read_text()
    for path in (engine.project.state, *engine.project.state.rglob("*")):
        path.chmod(0o777)  # where root runs this, the container's user is another one
    assert shell(engine, "mardock status --json; mardock logs; mardock up; mardock down") == 3
    assert '"running": false' in capfd.readouterr().out
    assert (home.path / "server.json").read_text() == before
    shutil.rmtree(home.path)


def test_mardock_is_mounted_read_only(engine: DockerEngine) -> None:
    package = "/opt/mardock/mardock"
    digest = hashlib.sha256(Path(mardock.__file__).read_bytes()).hexdigest()
    assert shell(engine, f"sha256sum {package}/__init__.py | grep -q ^{digest}") == 0
    assert shell(engine, f"LC_ALL=C touch {package}/x 2>&1 | grep -q 'Read-only file system'") == 0


def test_running_it_again_says_that_it_is_there(engine: DockerEngine) -> None:
    assert engine.run("dev").before == "running"


def test_stop_start_and_a_command_to_a_stopped_one(engine: DockerEngine) -> None:
    name = engine.stop("dev")
    assert name is not None
    assert engine.stop("dev") is None
    assert engine.start("dev").before == "exited"
    engine.stop("dev")
    assert shell(engine, "true") == 0


def test_a_second_one_stands_beside_it(engine: DockerEngine) -> None:
    name = f"{engine.project.root.name}-another"
    assert engine.run("dev", name).name == name
    assert engine.run("dev").before == "running"
    assert engine.exec(["true"], interactive=False, container_name=name) == 0
    assert engine.rm("dev", name) == name
    for call in (engine.rm, engine.start):
        with pytest.raises(EngineNotRunningError, match=f"no dev container {name}"):
            call("dev", name)


@pytest.mark.parametrize("name", ["typo", ".*"])
def test_a_name_that_none_has_is_refused_and_those_there_are_named(engine: DockerEngine, name: str) -> None:
    there = engine.run("dev").name
    for call in (
        lambda: engine.exec(["true"], interactive=False, container_name=name),
        lambda: engine.start("dev", name),
        lambda: engine.stop("dev", name),
        lambda: engine.rm("dev", name),
    ):
        with pytest.raises(EngineNotRunningError) as refused:
            call()
        assert refused.value.message == f"this project has no dev container {name}; there is {there} (running)"
        assert f"mardock dev run --container-name {name}" in str(refused.value.hint)
    with pytest.raises(EngineNotRunningError, match="no TorchServe container typo; it has none"):
        engine.stop("serve", "typo")
    assert [one.name for one in of_project(from_env(), engine.project.root)] == [there]


def test_a_command_starts_the_one_the_settings_name(engine: DockerEngine) -> None:
    name = engine.rm("dev")
    assert engine.exec(["true"], interactive=False, container_name=name) == 0


@as_root
def test_it_runs_as_the_owner_of_a_project_root_works_on(make_project: MakeProject) -> None:
    project = make_project()
    for path in (project.root, *project.root.rglob("*")):
        os.chown(path, 4242, 4243)
    assert shell(DockerEngine(project), "touch artifacts/whose torchserve/whose src/whose") == 0
    made = [project.root / folder / "whose" for folder in ("artifacts", "torchserve", "src")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(4242, 4243)}
    assert (project.state / "lock").stat().st_uid == 4242


@as_root
def test_what_a_command_is_to_write_it_can_or_it_does_not_run(
    engine: DockerEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    model = engine.project.root / "torchserve" / "mnist"
    outputs = [model / "golden.json", engine.project.root / "made" / "weights.pt"]
    names = [str(path.relative_to(engine.project.root)) for path in outputs]
    assert engine.exec(["touch", *names], interactive=False, writes=outputs) == 0
    os.chown(model, 4242, 4242)
    with pytest.raises(EngineError, match=r"torchserve/mnist/new\.json cannot be written by uid 1000") as refused:
        engine.exec(["echo", "ran"], interactive=False, writes=[model / "new.json"])
    assert refused.value.hint == f"sudo chown 1000:1000 {model}"
    assert "ran" not in capfd.readouterr().out


def test_ctrl_c_without_a_terminal_ends_the_command_in_it(engine: DockerEngine) -> None:
    code = (
        "import sys, pathlib; from mardock.engines.docker.engine import DockerEngine; "
        "from mardock.settings.project import Project; "
        "engine = DockerEngine(Project(pathlib.Path(sys.argv[1]))); "
        "sys.exit(engine.exec(['sh', '-c', 'echo ready; exec sleep 4321'], interactive=False))"
    )
    source = str(Path(mardock.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", code, str(engine.project.root)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source},
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        os.killpg(child.pid, signal.SIGINT)
        assert child.wait(60) == 130
    left = subprocess.run(
        ["docker", "top", engine.run("dev").name, "-o", "pid,args"], check=True, capture_output=True, text=True
    )
    assert "sleep infinity" in left.stdout
    assert "sleep 4321" not in left.stdout
