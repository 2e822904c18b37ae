"""Whose a compose file is, and what makes the containers of a project that has none of mardock's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mardock.engines.docker import compose, compose_files
from mardock.settings.project import Project
from mardock.settings.template import template_folder

PACKAGED = template_folder() / "docker-compose.yml"
GPU = "docker-compose.gpu.yml"
THEIRS = "services:\n  db: {image: postgres}\n  dev: {build: .}\n  serve: {image: nginx, volumes: ['./www:/www']}\n"
SHORT = (
    "services:\n  dev: {image: x}\n"
    "  serve:\n    image: y\n    ports: !reset []\n    volumes: ['./artifacts:/home/model-server/model-store:ro']\n"
)
TEMPLATED = "services:\n  db:\n    image: {{ image }}\n"
BROKEN = "services:\n  serve:\n\tvolumes: [./artifacts:/home/model-server/model-store]\n"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MARDOCK_", "COMPOSE_", "TORCHSERVE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that holds nothing but mardock.toml."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "mardock.toml").touch()
    return folder


def of(root: Path, env: str = "") -> compose_files.ComposeFiles:
    """The compose files of a project with an .env."""
    (root / ".env").write_text(env)
    return compose_files.of(Project(root))


def test_a_project_without_any_has_the_packaged_one(root: Path) -> None:
    found = of(root)
    assert (found.paths, found.packaged, found.shared, found.passed_over) == ((PACKAGED,), True, False, None)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"])
@pytest.mark.parametrize("text", [THEIRS, TEMPLATED, "", "- a list\n", "services: [a, b]\n"])
def test_a_user_s_own_is_passed_over(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text)
    found = of(root)
    assert (found.paths, found.packaged, found.passed_over) == ((PACKAGED,), True, root / name)
    assert (root / name).read_text() == text


@pytest.mark.parametrize("text", [PACKAGED.read_text(), SHORT, BROKEN], ids=["shipped", "short", "broken"])
def test_mardock_s_is_left_to_compose_to_find(root: Path, text: str) -> None:
    (root / "docker-compose.yml").write_text(text)
    assert of(root) == compose_files.ComposeFiles()


def test_mardock_s_beside_a_user_s_that_compose_would_take_is_named(root: Path) -> None:
    (root / "compose.yaml").write_text(THEIRS)
    shutil.copy(PACKAGED, root)
    found = of(root)
    assert (found.paths, found.packaged, found.shared) == ((root / "docker-compose.yml",), False, False)


def test_a_compose_file_above_the_project_is_none_of_its(root: Path) -> None:
    shutil.copy(PACKAGED, root.parent)
    assert of(root).packaged


def test_compose_file_wins_where_it_names_mardock_s(root: Path) -> None:
    shutil.copy(PACKAGED, root / "ours.yml")
    (root / "more.yml").write_text("services: {serve: {cpus: 2}}\n")
    assert of(root, "COMPOSE_FILE=ours.yml:more.yml\n") == compose_files.ComposeFiles(named=True)


def test_compose_file_of_a_user_s_own_stack_is_passed_over(root: Path) -> None:
    (root / "compose.yaml").write_text(THEIRS)
    (root / "prod.yml").write_text(THEIRS)
    assert of(root, "COMPOSE_FILE=compose.yaml:prod.yml\n").paths == (PACKAGED,)


def test_names_that_the_project_lacks_are_packaged_ones(root: Path) -> None:
    found = of(root, f"COMPOSE_FILE=docker-compose.yml:{GPU}\n")
    assert (found.paths, found.packaged, found.shared) == ((PACKAGED, template_folder() / GPU), True, False)


def test_mardock_s_own_variable_names_files_beside_a_user_s(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "docker-compose.yml").write_text(THEIRS)
    (root / "more.yml").write_text("services: {serve: {cpus: 2}}\n")
    found = of(root, f"MARDOCK_COMPOSE_FILE=docker-compose.yml:{GPU}:more.yml\nCOMPOSE_FILE=docker-compose.yml\n")
    assert found.paths == (PACKAGED, template_folder() / GPU, root / "more.yml")
    assert found.packaged
    monkeypatch.setenv("COMPOSE_PATH_SEPARATOR", ",")
    assert of(root, "MARDOCK_COMPOSE_FILE=docker-compose.yml,more.yml\n").paths == (PACKAGED, root / "more.yml")


@pytest.mark.parametrize(
    ("env", "called", "variable"),
    [
        ("", "shop-mardock", "MARDOCK_COMPOSE_PROJECT"),
        ("COMPOSE_PROJECT_NAME=store\n", "store-mardock", "MARDOCK_COMPOSE_PROJECT"),
        ("COMPOSE_PROJECT_NAME=store\nMARDOCK_COMPOSE_PROJECT=models\n", "models", "MARDOCK_COMPOSE_PROJECT"),
    ],
)
def test_the_compose_project_is_never_the_user_s(root: Path, env: str, called: str, variable: str) -> None:
    (root / ".env").write_text(env)
    assert compose.project_name(Project(root)) == called
    assert compose.project_variable(Project(root)) == variable
    shutil.copy(PACKAGED, root)
    assert (compose.project_name(Project(root)) == called) is ("models" in env)
    assert compose.project_variable(Project(root)) == (variable if "models" in env else "COMPOSE_PROJECT_NAME")
