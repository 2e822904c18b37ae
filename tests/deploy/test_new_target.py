"""Adding a deploy target is a folder and a line: with these, every command knows it, and refuses what it cannot do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.deploy import toy
from tests.deploy.conftest import git
from tests.support.command import Ended, environment

from mardock.settings.project import Project

THE_LINE = "from mardock.deploy import targets; targets.MODULES['toy'] = 'tests.deploy.toy'"
RUN = f"{THE_LINE}; import sys; sys.argv[0] = 'mardock'; from mardock.__main__ import main; main()"
ON = ("--endpoint", "shop")
METRICS = 'ts_inference_requests_total{model_name="digits",model_version="3"} 4\n'


class Answers(BaseHTTPRequestHandler):
    """A cloud's front end: predictions, and TorchServe's metrics beside them."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(json.dumps({"path": self.path, "bytes": len(body)}).encode())

    def do_GET(self) -> None:
        self._answer(METRICS.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output for the tests."""

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def answering() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def url() -> Iterator[str]:
    with answering() as found:
        yield found


@pytest.fixture
def toys(project: Project, url: str, tmp_path: Path) -> Project:
    """The project with a table of the new target, and with the target's own file beside the handler."""
    with (project.root / "mardock.toml").open("a", encoding="utf-8") as settings:
        settings.write(f'\n[deploy.toy]\ncloud = "{tmp_path / "cloud"}"\nurl = "{url}"\n')
    (project.root / "torchserve/digits" / toy.SPEC).write_text('{"replicas": 2}', encoding="utf-8")
    git(project.root, "add", ".")
    git(project.root, "commit", "-qm", "toys")
    return project


def mardock(project: Project, *arguments: str, code: int | None = 0, env: Mapping[str, str] | None = None) -> Ended:
    argv = [sys.executable, "-c", RUN, *arguments]
    environ = environment({"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **(env or {})})
    done = subprocess.run(argv, cwd=project.root, env=environ, capture_output=True, text=True, timeout=240)
    assert code in (None, done.returncode), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def test_an_experiment_lives_and_dies_on_it(toys: Project, tmp_path: Path) -> None:
    planned = mardock(toys, "deploy", "plan", *ON, "--json").json
    assert json.loads(planned["files"]["toy.json"])["replicas"] == 2
    assert not (tmp_path / "cloud").exists()

    told = mardock(toys, "deploy", "apply", *ON).err
    assert "digits 3 is deployed as shop: there" in told
    assert "mardock deploy invoke FILE --target toy --endpoint shop\n" in told
    status = mardock(toys, "deploy", "status", *ON, "--json").json
    assert (status["state"], status["current"], status["details"]["replicas"]) == ("there", True, "2")
    assert mardock(toys, "deploy", "logs", *ON, "--tail", "1").out == "shop has nothing to tell\n"

    mardock(toys, "deploy", "destroy", *ON)
    assert mardock(toys, "deploy", "status", *ON, "--json").json["state"] == "absent"


def test_a_model_is_asked_there(toys: Project, tmp_path: Path) -> None:
    mardock(toys, "deploy", "apply", *ON)
    sample = tmp_path / "sample.bin"
    sample.write_bytes(b"\x00\xff")

    wanted = {"path": "/predictions/digits", "bytes": 2}
    assert mardock(toys, "predict", "digits", str(sample), *ON).json == wanted
    assert mardock(toys, "deploy", "invoke", str(sample), *ON, "--target", "toy").json == wanted
    assert "no gRPC API that is known" in mardock(toys, "predict", "digits", str(sample), *ON, "--grpc", code=2).err


def test_metrics_are_shown_where_they_can_be_had(toys: Project, url: str) -> None:
    mardock(toys, "deploy", "apply", *ON)

    told = mardock(toys, "metrics", *ON, code=6).err
    assert "the endpoint shop passes predictions alone" in told
    assert "hint: mardock bench --endpoint shop" in told
    (shown,) = mardock(toys, "metrics", *ON, "--json", env={"MARDOCK_TOY_METRICS_URL": url}).json
    assert (shown["model"], shown["requests"]) == ("digits", 4)


@pytest.mark.parametrize(
    ("arguments", "refused", "who"),
    [
        (["build"], "build an experiment's image", "azureml"),
        (["register"], "register a version of a model", "azureml"),
        (["endpoint", "shop"], "create an endpoint without a deployment", "azureml"),
        (["traffic", "blue=100", *ON], "share out an endpoint's traffic", "azureml"),
        (["start", *ON], "start and stop an endpoint", "tir"),
        (["stop", *ON], "start and stop an endpoint", "tir"),
        (["restart", *ON], "start and stop an endpoint", "tir"),
        (["rehearse"], "be rehearsed here", "azureml or tir"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("named", [("--target", "toy"), ()], ids=["named", "configured"])
def test_what_it_cannot_do_names_who_can(
    toys: Project, arguments: list[str], refused: str, who: str, named: tuple[str, ...]
) -> None:
    told = mardock(toys, "deploy", *arguments, *named, code=2).err

    assert f"error: toy cannot {refused}; {who} can" in told
    assert f"hint: --target {who}" in told


def test_its_own_settings_are_checked_like_any_others(toys: Project) -> None:
    (toys.root / "torchserve/digits" / toy.SPEC).unlink()
    assert "there is no torchserve/digits/toy.json" in mardock(toys, "deploy", "plan", *ON, "--allow-dirty", code=2).err
    text = (toys.root / "mardock.toml").read_text(encoding="utf-8")
    (toys.root / "mardock.toml").write_text(text.replace("url =", "ulr ="), encoding="utf-8")
    assert "[deploy.toy] lacks url" in mardock(toys, "deploy", "status", *ON, code=2).err


def test_whoever_lists_targets_lists_it(toys: Project) -> None:
    assert "azureml, tir or toy" in mardock(toys, "deploy", "--help").out
    assert "azureml, tir or toy" in mardock(toys, "deploy", "status", *ON, "--target", "toi", code=2).err
    told = mardock(toys, "deploy", "traffic", "--help").out
    assert "toy" not in told.partition("Options")[0]
    words = {"_MARDOCK_COMPLETE": "complete_bash", "COMP_WORDS": "mardock deploy status --target ", "COMP_CWORD": "4"}
    assert mardock(toys, env=words).out.split() == ["azureml", "tir", "toy"]
    assert "mardock.toml and .env can be read" in mardock(toys, "doctor", code=None).out  # whose code tells of engines
