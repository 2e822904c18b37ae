"""Which engine `auto` takes, and that it says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.support.listeners import Heard

from mardock.engines import select
from mardock.engines.docker import containers, daemon, images
from mardock.interpreter import facts
from mardock.settings.project import Project
from mardock.settings.template import template_folder


def project(root: Path, engine: str) -> Project:
    (root / "mardock.toml").touch()
    shutil.copy(template_folder() / "docker-compose.yml", root)
    return Project(root, engine=engine, torchserve_image="serve:1")


@pytest.mark.parametrize(
    ("engine", "answers", "image", "chosen", "told"),
    [
        ("auto", True, True, "docker", "engine: docker"),
        ("auto", True, False, "native", "engine: native, for the image serve:1 is neither here nor to be had"),
        ("auto", False, True, "native", "engine: native, for no Docker Engine answers"),
        ("native", True, True, "native", None),
        ("docker", False, False, "docker", None),
    ],
)
def test_the_choice(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    *,
    answers: bool,
    image: bool,
    chosen: str,
    told: str,
) -> None:
    monkeypatch.setattr(daemon, "engine_answers", lambda: answers)
    monkeypatch.setattr(images, "image_available", lambda name: image)
    heard = Heard()
    assert select.create(project(tmp_path, engine), heard).name == chosen
    assert heard.notes == ([told] if told else [])


def test_a_project_without_containers_is_served_natively(tmp_path: Path) -> None:
    heard = Heard()
    asked = project(tmp_path, "auto")
    (tmp_path / "docker-compose.yml").unlink()
    assert select.create(asked, heard).name == "native"
    assert heard.notes == ["engine: native, for there is no docker-compose.yml"]


def test_a_user_s_own_containers_are_not_the_project_s(tmp_path: Path) -> None:
    heard = Heard()
    asked = project(tmp_path, "auto")
    (tmp_path / "docker-compose.yml").write_text("services: {db: {image: postgres}}\n")
    assert select.create(asked, heard).name == "native"
    assert heard.notes == ["engine: native, for docker-compose.yml is none of mardock's"]


def test_a_project_without_containers_is_served_in_the_packaged_ones_where_there_is_no_torchserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = project(tmp_path, "auto")
    (tmp_path / "docker-compose.yml").unlink()
    monkeypatch.setattr(facts, "where", lambda module: None)
    monkeypatch.setattr(daemon, "engine_answers", lambda: True)
    monkeypatch.setattr(images, "image_available", lambda name: True)
    assert select.create(asked, Heard()).name == "docker"


def test_nothing_runs_in_a_fresh_project_even_with_broken_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "may_serve", lambda root: False)
    (tmp_path / "mardock.toml").write_text("[[[")
    assert select.running(Project(tmp_path)) is None
    assert not (tmp_path / ".mardock").exists()
