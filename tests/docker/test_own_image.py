"""The project's own TorchServe image, on its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

PING = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/ping', timeout=2).status)"


def docker(*arguments: str, check: bool = True) -> str:
    """What a docker command prints."""
    return subprocess.run(["docker", *arguments], check=check, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def container(own_image: str) -> Iterator[str]:
    """A container started as the official image's users start theirs."""
    name = docker("run", "--detach", own_image)
    yield name
    docker("rm", "--force", name)


def test_it_is_small_and_has_no_gpu_packages(own_image: str) -> None:
    assert int(docker("image", "inspect", own_image, "--format", "{{.Size}}")) < 2_000_000_000
    packages = docker("run", "--rm", "--entrypoint", "pip", own_image, "list", "--format", "freeze").lower()
    assert "torch==2.13.0+cpu" in packages
    assert not [name for name in ("nvidia", "cuda", "triton") if name in packages]


def test_what_pip_was_told_is_not_in_its_history(own_image: str) -> None:
    assert "PIP_INDEX_URL" not in docker("history", "--no-trunc", own_image)


def test_it_serves_without_any_argument(container: str) -> None:
    deadline = time.monotonic() + 60
    answer = ""
    while answer != "200" and time.monotonic() < deadline:
        answer = docker("exec", container, "python", "-c", PING, check=False)
    assert answer == "200", docker("logs", container)
    assert docker("exec", container, "id", "--user") == "1000"


def test_another_command_runs_as_it_is(own_image: str) -> None:
    assert docker("run", "--rm", own_image, "echo", "hello") == "hello"
