"""mardock in the dev container: the real commands there, with TorchServe in the container beside it and without."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.support.command import Ended, succeed

from mardock import locks
from mardock.engines.docker.engine import DockerEngine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docker.conftest import MakeProject

TOML = """
[models.echo]
sample = "torchserve/echo/body"
[models.echo.archive]
handler = "torchserve/echo/handler.py"
[models.echo.train]
command = ["python", "-c", "open('artifacts/weights', 'w').close()"]
outputs = ["artifacts/weights"]
"""
HANDLER = "def handle(data, context):\n    return ['ANSWER'] * len(data or ())\n"
FOR_THE_HOST = [
    ("up", "--timeout", "5"),
    ("up", "--engine", "docker"),
    ("down",),
    ("demo", "--engine", "native"),
    ("local", "echo"),
    ("debug", "echo"),
    ("tune", "echo"),
    ("init", "another"),
    ("dev", "exec", "--", "ls"),
    ("serve", "run", "--container-name", "with space"),
    ("deploy", "plan", "--endpoint", "e"),
]


class Inside(NamedTuple):
    """A project and its dev container."""

    engine: DockerEngine
    container: str

    @property
    def root(self) -> Path:
        return self.engine.project.root

    def run(self, *argv: str) -> Ended:
        """Run a command in the dev container, without a terminal, as `docker exec` does."""
        done = subprocess.run(
            ["docker", "exec", self.container, *argv], capture_output=True, encoding="utf-8", timeout=120, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def mardock(self, *arguments: str, code: int = 0) -> Ended:
        """Run mardock there, which has to end with that code."""
        ended = self.run("mardock", *arguments)
        assert ended.code == code, f"mardock {' '.join(arguments)}\n{ended.out}{ended.err}"
        return ended

    def write_handler(self, answer: str, top: str = "") -> None:
        (self.root / "torchserve/echo/handler.py").write_text(top + HANDLER.replace("ANSWER", answer))


def enter(engine: DockerEngine) -> Inside:
    """Give a project a model that needs no weights, and enter its dev container."""
    root = engine.project.root
    (root / "mardock.toml").write_text(TOML)
    (root / "torchserve/echo").mkdir()
    (root / "torchserve/echo/body").write_text("hello")
    found = Inside(engine, engine.run("dev").name)
    found.write_handler("first")
    if os.getuid() == 0:  # containers run as another user then
        engine.project.state.chmod(0o777)
    return found


@pytest.fixture(scope="module")
def alone(make_lasting_project: MakeProject) -> Inside:
    """A dev container without TorchServe beside it."""
    return enter(DockerEngine(make_lasting_project()))


@pytest.fixture(scope="module")
def beside(make_lasting_project: MakeProject) -> Inside:
    """A dev container beside a TorchServe that serves nothing yet."""
    found = enter(DockerEngine(make_lasting_project()))
    found.engine.run("serve")
    return found


@pytest.fixture
def served(beside: Inside) -> Iterator[Inside]:
    """The same with the model registered from in there; unregistered at the end."""
    beside.write_handler("first")
    beside.mardock("archive", "echo")
    beside.mardock("register", "echo")
    yield beside
    beside.mardock("models", "unregister", "echo")


def test_what_needs_no_server_runs_in_place_whatever_engine_is_asked_for(alone: Inside) -> None:
    assert "→ mardock archive echo" in alone.mardock("train", "echo", "--engine", "docker").err
    assert "→ mardock register echo" in alone.mardock("archive", "echo", "--engine", "native").err
    assert "→ mardock register echo" in alone.mardock("mar").err
    assert alone.mardock("try", "echo", "--engine", "auto").out.strip() == "first"
    assert alone.mardock("inspect", "artifacts/echo.mar", "--json").json["name"] == "echo"
    alone.mardock("diff", "artifacts/echo.mar", "echo")


@pytest.mark.parametrize(
    "command", ["status", "register echo", "predict echo", "models list", "metrics", "logs", "explain echo Makefile"]
)
def test_without_a_server_it_says_what_the_host_starts_it_with(alone: Inside, command: str) -> None:
    said = alone.mardock(*command.split(), code=3).err
    assert "TorchServe" in said
    assert "hint: on the host: mardock serve run" in said


def test_without_a_server_nothing_is_started_or_looked_for_in_there(alone: Inside) -> None:
    assert alone.mardock("status", "--json", code=3).json["running"] is False
    checks = {check["name"]: check for check in alone.mardock("doctor", "--json").json}
    assert checks["server"]["hint"] == "on the host: mardock serve run"
    assert checks["torch and TorchServe"]["ok"]
    assert not {"docker engine", "native engine", "ports"} & checks.keys()
    assert not (alone.root / ".mardock/native").exists()


@pytest.mark.parametrize("command", FOR_THE_HOST, ids=" ".join)
def test_what_is_for_the_host_is_refused_with_the_same_command_there(alone: Inside, command: tuple[str, ...]) -> None:
    refused = alone.mardock(*command, code=3)
    told = " ".join(command).replace("with space", "'with space'")
    assert refused.err.splitlines()[-1] == f"hint: on the host: mardock {told}"
    assert len(refused.err.splitlines()) == 2
    assert "Usage" in alone.mardock(command[0], "--help").out


def test_make_in_there_is_refused_alike(alone: Inside) -> None:
    refused = alone.run("make", "serve-run")
    assert refused.code != 0
    assert "hint: on the host: mardock serve run" in refused.err


def test_the_addresses_it_shows_are_those_that_answer_there(beside: Inside) -> None:
    status = beside.mardock("status", "--json").json
    assert status["running"]
    for api, path in (("inference", "ping"), ("management", "models"), ("metrics", "metrics")):
        url = f"{status['endpoint'][f'{api}_url']}/{path}"
        beside_it = beside.run("python", "-c", f"import urllib.request; print(urllib.request.urlopen('{url}').status)")
        assert beside_it.out.strip() == "200", beside_it.err


def test_a_model_is_registered_asked_scaled_and_unregistered_from_in_there(served: Inside) -> None:
    assert served.mardock("predict", "echo").out == "first"
    assert served.mardock("predict", "echo", "--grpc").out == "first"
    assert "MEAN INFERENCE" in served.mardock("metrics").out
    assert "2 workers READY" in served.mardock("models", "scale", "echo", "--min-worker", "2").err
    assert "scaled: 1 worker READY" in served.mardock("register", "--all").err
    assert succeed(served.root, "predict", "echo").out == "first"  # the host sees the same server
    report = served.mardock("bench", "echo", "--duration", "0.5", "--warmup", "0", "--json").json
    assert report["runs"][0]["requests"] > 0


def test_the_workflow_s_own_spelling_means_the_server_beside_it(served: Inside) -> None:
    for options in ("tserve_url=http://localhost models_port=8081", "models_port=8081"):
        again = served.run("make", "register-model", "model_name=echo", *options.split())
        assert "echo 1.0 unchanged" in again.err


def test_a_handler_that_fails_is_explained_from_the_log(served: Inside) -> None:
    served.write_handler("broken", top="raise RuntimeError('on purpose')\n")
    served.mardock("archive", "echo")
    for options in ((), ("--unpacked",)):
        failed = served.mardock("register", "echo", "--replace", *options, code=5).err
        assert "RuntimeError: on purpose (torchserve/echo/handler.py:1 in <module>)" in failed
    assert served.mardock("predict", "echo").out == "first"
    served.write_handler("second")
    served.mardock("archive", "echo")
    assert "echo 1.0 replaced" in served.mardock("register", "echo", "--replace").err
    assert served.mardock("predict", "echo").out == "second"
    errors = served.mardock("logs", "echo", "--errors", "--tail", "-1").out
    assert "on purpose" in errors
    assert 'File "torchserve/echo/handler.py", line 1, in <module>' in errors


def test_a_second_dev_container_reaches_it_too(served: Inside) -> None:
    name = f"{served.root.name}-second"
    served.engine.run("dev", name)
    second = Inside(served.engine, name)
    assert second.mardock("predict", "echo").out == "first"
    assert second.mardock("models", "list", "--json").json[0]["name"] == "echo"
    served.engine.rm("dev", name)


def test_watch_serves_what_is_saved(served: Inside) -> None:
    with subprocess.Popen(
        ["docker", "exec", served.container, "sh", "-c", "echo $$ >/tmp/watch && exec mardock watch echo"],
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as watch:
        assert watch.stderr is not None
        assert any("watching handler.py" in line for line in watch.stderr)
        served.write_handler("saved")
        assert any("serves with handler.py" in line for line in watch.stderr)
        served.run("sh", "-c", "kill -INT $(cat /tmp/watch)")
        watch.communicate(timeout=60)
    assert served.mardock("predict", "echo").out == "saved"


def test_whoever_holds_a_lock_is_named_with_the_place_where_its_pid_counts(served: Inside) -> None:
    code = (
        "import pathlib; from mardock import locks\n"
        "with locks.hold(pathlib.Path('artifacts/.registering.lock'), doing='registering'): print('held')"
    )
    with locks.hold(served.engine.project.model_store / ".registering.lock", doing="registering"):
        refused = served.run("python", "-c", code)
    assert f"(pid {os.getpid()} on the host)" in refused.err
    assert served.run("python", "-c", code).out == "held\n"


def test_tokens_are_the_host_s_and_it_says_so(make_project: MakeProject) -> None:
    guarded = enter(DockerEngine(make_project(MARDOCK_TOKEN_AUTH="true")))
    guarded.engine.run("serve")
    guarded.mardock("archive", "echo")
    for command in ("status", "register echo --num-workers 1", "predict echo --grpc", "models list"):
        refused = guarded.mardock(*command.split(), code=3).err
        assert "TorchServe asks for its tokens, which the host has and this dev container has not" in refused
        assert f"hint: on the host: mardock {command}" in refused
    assert "Metrics API bind to" in guarded.mardock("logs").out
    succeed(guarded.root, "register", "echo")
