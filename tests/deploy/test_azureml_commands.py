"""`mardock deploy … --target azureml` from end to end: a real build, a real registry and a real blob store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Require
from tests.deploy import cloud_parts
from tests.deploy.azure_emulator import ENDPOINT_KEY, REFRESH_TOKEN, SECRETS, TENANT, Azure

from mardock.engines.docker.daemon import engine_answers
from mardock.settings.project import Project

NOBODY = "00000000-0000-0000-0000-000000000000"


class Scoring(BaseHTTPRequestHandler):
    """Answers a prediction with what it was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers["Authorization"] == f"Bearer {ENDPOINT_KEY}"
        answer = f"{self.path} {known} ".encode() + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def scoring() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Scoring) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/score"
        server.shutdown()
        thread.join()


@pytest.fixture
def registry(require: Require, tmp_path: Path) -> Iterator[str]:
    if cloud_parts.registry_program() is None:
        require("registry", "docker-registry is not installed")
    folder = tmp_path / "registry"
    folder.mkdir()
    with cloud_parts.registry(folder, NOBODY, REFRESH_TOKEN) as address:
        yield address


def mardock(project: Project, *arguments: str, code: int = 0) -> str:
    """Run a command with every logger open, and return all it printed, which no secret may stand in."""
    loud = "import logging; logging.basicConfig(level=logging.DEBUG); from mardock.__main__ import main; main()"
    group = [] if arguments[0] == "predict" else ["deploy"]
    argv = [sys.executable, "-c", loud, *group, *arguments]
    done = subprocess.run(argv, cwd=project.root, capture_output=True, text=True, errors="replace", timeout=240)
    told = done.stdout + done.stderr
    assert done.returncode == code, told
    assert [secret for secret in (*SECRETS, cloud_parts.ACCOUNT_KEY) if secret in told] == []
    return done.stdout if code == 0 else told


@pytest.fixture
def deployable(
    project: Project,
    azure: Azure,
    azure_options: dict[str, Any],
    blob_url: str,
    registry: str,
    scoring: str,
    require: Require,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """A project whose settings, given by the environment, lead to parts that all answer."""
    if not engine_answers():
        require("docker", "no Docker Engine answers")
    azure.scoring_url = scoring
    options = {**azure_options, "blob_url": blob_url, "registry": registry, "registry_url": azure.url}
    for key, value in options.items():
        monkeypatch.setenv(f"MARDOCK_AZUREML_{key.upper()}", str(value))
    monkeypatch.setenv("TORCHSERVE_IMAGE", "debian:bookworm-slim")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return project


@pytest.mark.timeout(600)
def test_from_the_commit_to_an_answer_and_away(deployable: Project, azure: Azure, tmp_path: Path) -> None:
    where = ("--target", "azureml", "--endpoint", "shop")
    blue = (*where, "--deployment", "blue")
    digit = tmp_path / "digit.png"
    digit.write_bytes(b"\x89PNG")

    assert "instance_type: Standard_DS3_v2" in mardock(deployable, "plan", *blue)
    assert azure.calls == []
    mardock(deployable, "apply", "digits", *blue, "--version", "3")
    pushed = len(azure.calls)
    mardock(deployable, "build", "digits")  # the registry has it
    assert not any("oauth2/exchange" not in call and TENANT not in call for call in azure.calls[pushed:])
    assert "gets" not in mardock(deployable, "logs", *blue)
    mardock(deployable, "traffic", "blue=100", "--endpoint", "shop")

    found = json.loads(mardock(deployable, "status", *blue, "--json"))
    assert (found["state"], found["current"], found["details"]["traffic"]) == ("Succeeded", True, "100%")
    (deployable.root / "notes.txt").touch()
    assert json.loads(mardock(deployable, "status", *blue, "--json"))["current"] is False
    assert "files differ from" in mardock(deployable, "apply", *blue, code=6)

    assert mardock(deployable, "invoke", str(digit), *where) == "/predictions/model True \ufffdPNG"
    asked = mardock(deployable, "predict", "digits", str(digit), str(digit), *where)
    assert asked.count("/predictions/model True") == 2
    assert "gets 100% of the traffic" in mardock(deployable, "destroy", *blue, code=6)
    assert "adds up to 110" in mardock(deployable, "traffic", "blue=110", "--endpoint", "shop", code=2)
    mardock(deployable, "destroy", *where, "--drain")
    assert json.loads(mardock(deployable, "status", *where, "--json"))["state"] == "absent"


def test_a_wrong_login_to_the_registry_is_refused(deployable: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARDOCK_REGISTRY_USER", "somebody")
    monkeypatch.setenv("MARDOCK_REGISTRY_PASSWORD", "wrong")

    assert "the registry does not take or give" in mardock(deployable, "build", "digits", code=3)
