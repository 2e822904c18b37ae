"""The project's own TorchServe image, on its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.docker.derived import WAIT_FOR_JAVA, docker
from tests.support.images import unique_name

PING = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/ping', timeout=2).status)"

BURIED = """
import os, sys, time
deadline = time.monotonic() + 60
while os.path.exists("/proc/" + sys.argv[1]):
    assert time.monotonic() < deadline
"""


@pytest.fixture
def container(own_image: str) -> Iterator[str]:
    """A container started as the official image's users start theirs."""
    name = docker("run", "--detach", "--name", unique_name(), own_image)
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


def test_it_ends_at_sigterm(container: str) -> None:
    docker("exec", container, "python", "-c", WAIT_FOR_JAVA)
    docker("stop", "--time", "120", container)
    assert docker("inspect", container, "--format", "{{.State.ExitCode}}") == "143"


def test_it_ends_as_its_java_does(container: str) -> None:
    docker("exec", container, "python", "-c", f"{WAIT_FOR_JAVA}os.kill(int(java[0]), 9)", check=False)
    assert docker("wait", container) == "137"


def test_its_first_process_buries_orphans(container: str) -> None:
    orphan = docker("exec", container, "sh", "-c", "sleep 0.2 >/dev/null & echo $!")
    docker("exec", container, "python", "-c", BURIED, orphan)


def test_no_certificate_is_left_where_it_was_built(own_image: str) -> None:
    left = "ls -A /tmp; find /usr/local/share/ca-certificates -name .gitkeep"
    assert docker("run", "--rm", "--entrypoint", "sh", own_image, "-c", left) == ""
