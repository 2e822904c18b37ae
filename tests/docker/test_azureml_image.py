"""The image rendered for Azure ML, run as Azure runs it: archive mounted read-only, probed and called from outside."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docker.conftest import free_ports, lay_out

from mardock.archive.build import build
from mardock.archive.spec import ArchiveSpec
from mardock.deploy.azureml import render
from mardock.deploy.experiment import Source
from mardock.deploy.provenance import Provenance

MOUNTED = "/var/azureml-app/azureml-models/echo/1"
ECHO = "def handle(data, context):\n    return [bytes(data[0]['body'])] if data else None\n"
TAG = "mardock-azureml:test"


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], check=check, capture_output=True, text=True)


@pytest.fixture(scope="module")
def image(torchserve_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("azureml") / "project"
    lay_out(root)
    source = Source("echo", Path("torchserve/echo"), None, None, Provenance("0" * 40))
    (root / "Dockerfile.azureml").write_text(render.dockerfile(source), encoding="utf-8")
    base = f"BASE_IMAGE={torchserve_image}"
    docker("build", "--file", str(root / "Dockerfile.azureml"), "--build-arg", base, "--tag", TAG, str(root))
    yield TAG
    docker("image", "rm", "--force", TAG)


def request(port: str, path: str, body: bytes | None = None) -> bytes:
    headers = {"Content-Type": "application/octet-stream"}  # urllib's own default makes a form of the body
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        found: bytes = answer.read()
        return found


@pytest.mark.parametrize("folder", ["", "model"])
def test_it_serves_the_mounted_archive_as_model(image: str, tmp_path: Path, folder: str) -> None:
    (tmp_path / "handler.py").write_text(ECHO, encoding="utf-8")
    store = tmp_path / "store"
    (store / folder).mkdir(parents=True)
    build(ArchiveSpec("echo", "handler.py"), tmp_path, store / folder)
    store.chmod(0o755)
    (port,) = free_ports(1)
    mount = ("--volume", f"{store}:{MOUNTED}:ro", "--env", f"AZUREML_MODEL_DIR={MOUNTED}")
    name = docker("run", "--detach", "--publish", f"127.0.0.1:{port}:8080", *mount, image).stdout.strip()
    try:
        answer, deadline = b"", time.monotonic() + 90
        while answer != b"hello" and time.monotonic() < deadline:
            try:
                assert b"Healthy" in request(port, "/ping")
                answer = request(port, "/predictions/model", b"hello")
            except (OSError, urllib.error.HTTPError):
                time.sleep(0.5)
        assert answer == b"hello", docker("logs", name).stdout
    finally:
        docker("rm", "--force", name)


def test_it_says_that_no_archive_is_mounted(image: str) -> None:
    done = docker("run", "--rm", "--env", "AZUREML_MODEL_DIR=/tmp", image, check=False)

    assert (done.returncode, done.stderr) == (1, "there is no .mar below AZUREML_MODEL_DIR=/tmp\n")
