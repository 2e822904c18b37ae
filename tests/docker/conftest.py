"""A real Docker Engine, both images TorchServe runs from, and throw-away projects with ports of their own."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Callable, NoReturn

import pytest
from tests.support.images import KINDS, image, unique_name
from tests.support.ports import free_ports
from tests.support.side_by_side import hold

from mardock.engines.docker.containers import PORT_VARIABLES
from mardock.engines.docker.daemon import check
from mardock.engines.docker.engine import DockerEngine
from mardock.engines.docker.images import build_own
from mardock.errors import EngineNotFoundError
from mardock.listener import SILENT
from mardock.settings.project import Project

ROOT = Path(__file__).parents[2]
IMAGE = "mardock-torchserve:test"
FILES = (
    "docker-compose.yml",
    "docker-compose.gpu.yml",
    "Dockerfile.dev",
    ".dockerignore",
    "constraints.txt",
    "mardock.toml",
    "Makefile",
    "torchserve",
    "src/character_recognizer",
)
MakeProject = Callable[..., Project]
on_one_image = pytest.mark.parametrize("torchserve_image", ["own"], indirect=True)
"""Of a test of what compose and the host do, which is the same with every image."""


@pytest.fixture(scope="session", autouse=True)
def _docker_answers(require: Callable[[str, str], NoReturn]) -> None:
    try:
        check()
    except EngineNotFoundError as error:
        require("docker", error.message)


@pytest.fixture(scope="session")
def own_image(request: pytest.FixtureRequest) -> str:
    """The project's own image; the engine's layer cache makes this quick while nothing it is built from changed."""
    with hold(request.config, "own-image"):
        build_own(ROOT, IMAGE, Project(ROOT).settings.machine, os.environ, listener=SILENT)
    return IMAGE


@pytest.fixture(scope="session")
def official_image(require: Callable[[str, str], NoReturn]) -> str:
    """The official image, or what stands in for it where it cannot be pulled."""
    return image("official", require)


@pytest.fixture(scope="session", params=KINDS)
def torchserve_image(request: pytest.FixtureRequest) -> str:
    """What TorchServe runs from: the project's own image, then the official one."""
    found: str = request.getfixturevalue(f"{request.param}_image")
    return found


@pytest.fixture
def make_project_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeProject]:
    """A function that makes a project on an image, with free ports; what was started of it is stopped."""
    with projects(tmp_path_factory) as make:
        yield make


@pytest.fixture
def make_project(torchserve_image: str, make_project_on: MakeProject) -> MakeProject:
    """A function that makes a project on each image in turn; see `make_project_on`."""
    return partial(make_project_on, torchserve_image)


@pytest.fixture(scope="module")
def make_lasting_project(torchserve_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeProject]:
    """The same for what the tests of a module share."""
    with projects(tmp_path_factory) as make:
        yield partial(make, torchserve_image)


@pytest.fixture(scope="session")
def host_venv(request: pytest.FixtureRequest) -> Path:
    """A `.venv` as `make docker-run` makes it, of requirements.txt alone; kept for as long as it would be the same."""
    made_from = ("requirements.txt", "constraints.txt", "pyproject.toml", "scripts/create_venv.py")
    digest = hashlib.sha256(f"{ROOT} {sys.version}".encode())
    for name in made_from:
        digest.update((ROOT / name).read_bytes())
    folder = request.config.cache.mkdir(f"host-venv-{digest.hexdigest()[:12]}")
    python = folder / ".venv" / "bin" / "python"
    with hold(request.config, "host-venv"):
        if not (folder / "complete").exists():
            make_venv(folder)
    for absent in ("torch", "numpy", "ts"):
        assert subprocess.run([python, "-c", f"import {absent}"], capture_output=True, check=False).returncode != 0
    return folder / ".venv"


@pytest.fixture(scope="module")
def served(make_lasting_project: MakeProject) -> DockerEngine:
    """The engine of a project whose TorchServe runs; tests leave it running."""
    engine = DockerEngine(make_lasting_project())
    engine.up(timeout=120)
    return engine


def make_venv(folder: Path) -> None:
    """Make the environment of requirements.txt in a folder."""
    shutil.rmtree(folder / ".venv", ignore_errors=True)
    text = re.sub(r"^-e \.(.*)$", rf'-e "{ROOT}\1"', (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    (folder / "requirements.txt").write_text(text)
    shutil.copy(ROOT / "constraints.txt", folder)
    subprocess.run([sys.executable, ROOT / "scripts" / "create_venv.py"], cwd=folder, check=True)
    (folder / "complete").touch()


@contextmanager
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeProject]:
    """Yield a function that makes projects; what was started of them is stopped at the end."""
    with ExitStack() as stack:

        def make(torchserve_image: str, name: str = "", **variables: str) -> Project:
            folder = tmp_path_factory.mktemp("projects") / (name or unique_name())
            lay_out(folder)
            settings = {
                "TORCHSERVE_IMAGE": torchserve_image,
                "MARDOCK_DEV_IMAGE": dev_image(torchserve_image),
                **dict(zip(PORT_VARIABLES.values(), free_ports(len(PORT_VARIABLES)))),
                **variables,
            }
            (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
            project = Project(folder)
            stack.callback(DockerEngine(project).down)
            return project

        yield make


def dev_image(torchserve_image: str) -> str:
    """The tag of the dev image that tests build on an image; they share it, so that it is built once."""
    return f"mardock-dev:test-{re.sub('[^a-z0-9.]', '-', torchserve_image)}"


def lay_out(folder: Path) -> None:
    """Copy what containers need of this repository into a project's folder."""
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / "wheels").mkdir()
    (folder / "wheels" / ".gitkeep").touch()
    for certificate in (ROOT / "wheels").glob("*.crt"):
        shutil.copy(certificate, folder / "wheels")
