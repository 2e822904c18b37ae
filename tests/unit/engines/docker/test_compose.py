"""What docker compose is told."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import pytest

import mardock
from mardock.engines.docker import compose, containers, daemon, folders
from mardock.settings.project import Project
from mardock.settings.template import template_folder


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MARDOCK_", "COMPOSE_", "TORCHSERVE_")):
            monkeypatch.delenv(name)


def make(tmp_path: Path, name: str = "project", env: str = "", **overrides: object) -> Project:
    """A project without models, with containers of its own."""
    (tmp_path / name).mkdir()
    shutil.copy(template_folder() / "docker-compose.yml", tmp_path / name)
    (tmp_path / name / "mardock.toml").touch()
    (tmp_path / name / ".env").write_text(env)
    return Project(tmp_path / name, **overrides)


@pytest.mark.parametrize(
    ("folder", "project"),
    [("project", "project"), ("My Project.2", "myproject2"), ("_x-1", "x-1"), ("数字", "mardock")],
)
def test_the_project_is_named_as_compose_does(tmp_path: Path, folder: str, project: str) -> None:
    assert compose.project_name(make(tmp_path, folder)) == project


def test_the_settings_name_wins(tmp_path: Path) -> None:
    assert compose.project_name(make(tmp_path, env="COMPOSE_PROJECT_NAME=mine\n")) == "mine"


def test_containers_of_a_rootless_engine_run_as_its_root_who_is_the_caller(tmp_path: Path) -> None:
    project = make(tmp_path)
    whom = folders.user(project.root)
    environ = compose.environment(project, "some/image:1")
    assert (environ["MARDOCK_UID"], environ["MARDOCK_GID"]) == (str(whom.uid), str(whom.gid))
    environ = compose.environment(project, "some/image:1", rootless=True)
    assert (environ["MARDOCK_UID"], environ["MARDOCK_GID"]) == ("0", "0")


@pytest.mark.parametrize(
    ("options", "rootless"), [(["name=seccomp,profile=builtin", "name=rootless"], True), (["name=seccomp"], False)]
)
def test_a_rootless_engine_says_that_it_is(options: list[str], rootless: bool) -> None:
    client: Any = SimpleNamespace(info=lambda: {"SecurityOptions": options})
    assert daemon.is_rootless(client) is rootless


@pytest.mark.parametrize(("configured", "whom"), [("1234:1235", (1234, 1235)), ("0:0", None), ("model-server", None)])
def test_whose_a_container_s_writing_is(tmp_path: Path, configured: str, whom: Optional[tuple[int, int]]) -> None:
    container: Any = SimpleNamespace(attrs={"Config": {"User": configured}})
    assert containers.user(container, tmp_path) == (whom or folders.user(tmp_path))


def test_the_environment_is_the_settings_and_what_follows_from_them(tmp_path: Path) -> None:
    project = make(tmp_path, env="MARDOCK_METRICS_PORT=9082\nMARDOCK_TOKEN_AUTH=yes\n", inference_port=9080)
    environ = compose.environment(project, "some/image:1", {"serve": "named"})
    assert environ["MARDOCK_INFERENCE_PORT"] == "9080"
    assert environ["MARDOCK_METRICS_PORT"] == "9082"
    assert environ["MARDOCK_TOKEN_AUTH"] == "true"
    assert environ["TORCHSERVE_IMAGE"] == "some/image:1"
    assert environ["MARDOCK_SERVE_CONTAINER"] == "named"
    assert "MARDOCK_DEV_CONTAINER" not in environ
    assert environ["COMPOSE_PROJECT_NAME"] == "project"
    assert environ["MARDOCK_UID"] not in ("", "0")
    assert Path(environ["MARDOCK_PACKAGE"]) == Path(mardock.__file__).resolve().parent
    assert environ["PATH"] == os.environ["PATH"]
