"""On the official image's Python and torch, the oldest that are tested: units, the example model, the native engine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.docker.conftest import ROOT
from tests.support.images import unique_name

from mardock.engines.docker.engine import DockerEngine

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject

TESTED_WITH = (
    "cyclonedx-python-lib[json-validation]",
    "debugpy<1.8.22",
    "docstring-parser",
    "hypothesis",
    "pytest",
    "pytest-socket",
    "pytest-timeout",
    "pytest-xdist",
    "responses",
)
DOCKERFILE = f"""
ARG DEV_IMAGE
FROM ${{DEV_IMAGE}}
USER root
RUN pip install --no-cache-dir {" ".join(f"'{name}'" for name in TESTED_WITH)}
"""
TESTS = (
    "tests/unit",
    "tests/contract/test_example_handler.py",
    "tests/contract/test_example_training.py",
    "tests/contract/test_native_python.py",
)
OUTSIDE = ("deploy", "benchmarks")
"""What never runs in an image: the clouds' SDKs have left its Python, and benchmarks need the peers they measure."""
RUN = [
    *("docker", "run", "--rm", "--init", "--user", "0", "--entrypoint", "python"),
    *("--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"),  # tests of full disks mount small ones
    *("--volume", f"{ROOT}:/repository:ro", "--workdir", "/repository"),
    *("--env", "PYTHONPATH=/repository/src", "--env", "PYTHONDONTWRITEBYTECODE=1", "--env", "HOME=/tmp"),
    *("--name", unique_name()),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_unit_tests_pass_there(make_project_on: MakeProject, official_image: str, tmp_path: Path) -> None:
    dev = DockerEngine(make_project_on(official_image)).build("dev")
    image = f"{dev}-unit"
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    build = [
        "docker",
        "build",
        "--quiet",
        "--network",
        "host",
        "--build-arg",
        f"DEV_IMAGE={dev}",
        "--tag",
        image,
        str(tmp_path),
    ]
    subprocess.run(build, check=True, capture_output=True)
    ignored = [f"--ignore=tests/unit/{name}" for name in OUTSIDE]
    done = subprocess.run(
        [*RUN, image, "-m", "pytest", *TESTS, "-n", "3", "-p", "no:cacheprovider", "-q", "-rs", *ignored],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert " passed" in done.stdout.splitlines()[-1]
