"""What the packaged compose file becomes for the folders a project has, and what image builds are shown of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from mardock.engines.docker import compose_files, packaged
from mardock.engines.mounts import HOME, STORE
from mardock.errors import EngineError
from mardock.settings.project import Project
from mardock.settings.template import template_folder

ALWAYS = {STORE, HOME / "logs", Path("/opt/mardock/mardock")}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that holds nothing but mardock.toml."""
    (tmp_path / "mardock.toml").touch()
    return Project(tmp_path)


def fitted(project: Project) -> dict[str, Any]:
    """The compose file that docker compose is told."""
    option, path = packaged.arguments(project, compose_files.of(project))
    assert option == "--file"
    assert Path(path) == project.state / "docker-compose.yml"
    whole: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return whole


def mounted(service: dict[str, Any]) -> set[Path]:
    """Where a service has folders of this machine."""
    return {Path(one["target"]) for one in service["volumes"] if one["type"] == "bind"}


def test_no_folder_is_mounted_that_the_project_lacks(project: Project) -> None:
    services = fitted(project)["services"]
    assert mounted(services["serve"]) == ALWAYS
    assert mounted(services["dev"]) == ALWAYS | {HOME / "project"}
    assert {path.name for path in project.root.iterdir()} == {"mardock.toml", ".mardock"}


def test_those_it_has_are_seen_by_the_workers(project: Project) -> None:
    for name in ("src", "torchserve", "datasets"):
        (project.root / name).mkdir()
    services = fitted(project)["services"]
    assert mounted(services["serve"]) == ALWAYS | {HOME / "src", HOME / "torchserve"}
    assert mounted(services["dev"]) == ALWAYS | {HOME / "project"}


def test_all_else_is_as_it_ships(project: Project) -> None:
    shipped = yaml.safe_load((template_folder() / "docker-compose.yml").read_text(encoding="utf-8"))
    whole = fitted(project)
    assert whole["volumes"] == shipped["volumes"]
    for name, service in whole["services"].items():
        assert {**service, "volumes": None} == {**shipped["services"][name], "volumes": None}


def test_it_is_written_only_where_it_differs(project: Project) -> None:
    fitted(project)
    path = project.state / "docker-compose.yml"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    fitted(project)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    (project.root / "src").mkdir()
    fitted(project)
    assert path.stat().st_ino != before[1]


def test_where_it_cannot_be_written_that_is_said(project: Project) -> None:
    project.state.mkdir()
    (project.state / "docker-compose.yml").mkdir()
    with pytest.raises(EngineError, match=r"cannot write .*docker-compose.yml"):
        fitted(project)


@pytest.mark.parametrize(
    ("service", "wheels"),
    [("dev", {".gitkeep", "company.crt"}), ("serve", {".gitkeep", "company.crt", "torch-1-py3-none-any.whl"})],
)
def test_image_builds_see_nothing_of_the_user_s_but_wheels(
    project: Project, service: Literal["dev", "serve"], wheels: set[str]
) -> None:
    (project.root / "data.bin").write_bytes(bytes(1000))
    (project.root / "Dockerfile.dev").write_text("FROM theirs\n")
    (project.root / "constraints.txt").write_text("torch==1.0\n")
    (project.root / "wheels").mkdir()
    for name in ("company.crt", "torch-1-py3-none-any.whl", "notes.txt"):
        (project.root / "wheels" / name).write_text(name)
    (project.root / "wheels" / "gone.crt").symlink_to("nowhere")
    with packaged.build_context(project, compose_files.of(project), service) as folder:
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        for name in {"Dockerfile.dev", "constraints.txt", "torchserve/Dockerfile"} & files:
            assert (folder / name).read_bytes() == (template_folder() / name).read_bytes()
    assert {name[len("wheels/") :] for name in files if name.startswith("wheels/")} == wheels
    assert ("Dockerfile.dev" in files) is (service == "dev")
    assert "data.bin" not in files
    assert not folder.exists()


@pytest.mark.parametrize("service", ["dev", "serve"])
def test_image_builds_are_shown_all_that_their_dockerfile_copies(
    project: Project, service: Literal["dev", "serve"]
) -> None:
    dockerfile = {"dev": "Dockerfile.dev", "serve": "torchserve/Dockerfile"}[service]
    with packaged.build_context(project, compose_files.of(project), service) as folder:
        copied = [line.split()[1:-1] for line in (folder / dockerfile).read_text().splitlines() if "COPY " in line]
        here = [name for names in copied for name in names if not any(mark in name for mark in "*-=")]
        assert here
        assert all((folder / name).exists() for name in here if not name.startswith("/"))


def test_a_project_with_mardock_s_own_files_is_its_own_context(project: Project) -> None:
    with packaged.build_context(project, compose_files.ComposeFiles(), "dev") as folder:
        assert folder == project.root
