"""What the dev container is given of files outside of a project's folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from mardock.archive.boundary import Boundary
from mardock.engines import mounts
from mardock.engines.docker import compose_files, outside, packaged
from mardock.engines.docker.engine import DockerEngine
from mardock.engines.mounts import HOME
from mardock.errors import EngineError
from mardock.settings.project import Project
from mardock.settings.template import template_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project two folders deep in a repository, with a data disk behind a link and a hub's cache on it."""
    root = tmp_path / "repository/services/cats"
    root.mkdir(parents=True)
    (tmp_path / "repository/.git").mkdir()
    for name in ("services/src/handler.py", "libs/common/labels.py", "top.py"):
        file = tmp_path / "repository" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    for folder in ("disk/blobs", "disk/snapshots"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "disk/blobs/0a1b").touch()
    (tmp_path / "disk/snapshots/net.pt").symlink_to("../blobs/0a1b")
    (root / "weights").symlink_to(tmp_path / "disk/snapshots")
    (root / "linked.pt").symlink_to("weights/net.pt")
    (root / "inside.py").touch()
    (root / "also.py").symlink_to("inside.py")
    return root


def named(root: Path, *lines: str, packaged: bool = True) -> dict[Path, Path]:
    """The mounts for a model with these lines in its table."""
    (root / "mardock.toml").write_text("\n".join(["[models.cats.archive]", *lines, ""]))
    return dict(outside.named(Project(root), packaged=packaged))


@pytest.mark.parametrize("path", ["inside.py", "also.py", "missing.py", "../missing.py", "."])
def test_what_lies_in_the_folder_or_nowhere_needs_nothing(root: Path, path: str) -> None:
    assert mounts.outside(root, path) == {}


@pytest.mark.parametrize(
    ("path", "inside", "real"),
    [
        ("../src/handler.py", HOME / "src/handler.py", "repository/services/src/handler.py"),
        ("../../libs/common", HOME.parent / "libs/common", "repository/libs/common"),
        ("weights/net.pt", "disk/snapshots/net.pt", "disk/blobs/0a1b"),
        ("linked.pt", "disk/snapshots/net.pt", "disk/blobs/0a1b"),
        ("weights", "disk/snapshots", "disk/snapshots"),
    ],
)
def test_it_is_put_where_its_name_leads_in_the_container(root: Path, path: str, inside: Any, real: str) -> None:
    above = root.parents[2]
    expected = above / inside  # a link to an absolute path leads to the same there
    assert mounts.outside(root, path) == {expected: above / real}


def test_links_in_a_circle_end(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert mounts.outside(root, "a") == {}


def test_weights_are_mounted_alone_and_code_of_the_repository_with_its_folder(root: Path) -> None:
    above = root.parents[2]
    assert named(
        root,
        'handler = "../src/handler.py"',
        'serialized_file = "weights/net.pt"',
        'extra_files = ["../../libs/common/*.py", "../../top.py", "inside.py"]',
    ) == {
        HOME / "src": root.parent / "src",
        HOME.parent / "libs/common": above / "repository/libs/common",
        HOME.parent / "top.py": above / "repository/top.py",  # its folder there has everybody's
        above / "disk/snapshots/net.pt": above / "disk/blobs/0a1b",
    }


def test_packages_are_mounted_too(root: Path) -> None:
    common = root.parents[1] / "libs/common"
    assert named(root, 'handler = "inside.py"', 'code = ["../../libs/common"]') == {HOME.parent / "libs/common": common}


def test_samples_and_what_training_reads_are_mounted_from_any_disk(root: Path) -> None:
    disk = root.parents[2] / "disk"
    (disk / "samples").mkdir()
    (disk / "samples/cat.png").touch()
    (disk / "images").mkdir()
    (root / "data").symlink_to(disk / "images")
    (root / "mardock.toml").write_text(
        f'[models.cats]\nsample = "{disk / "samples/cat.png"}"\narchive = {{ handler = "../src/handler.py" }}\n'
        'train = { command = ["true"], inputs = ["../src/handler.py", "data"], outputs = ["net.pt"] }\n'
    )
    assert outside.named(Project(root), packaged=True) == {
        HOME / "src": root.parent / "src",
        disk / "samples/cat.png": disk / "samples/cat.png",
        disk / "images": disk / "images",
    }


def test_an_archive_is_made_in_the_container_if_that_is_given_all_of_its_files(root: Path) -> None:
    disk = root.parents[2] / "disk"
    named(root, 'handler = "inside.py"', 'serialized_file = "linked.pt"', 'extra_files = ["../src"]')
    engine = DockerEngine(Project(root))
    given = [disk / "blobs/0a1b", root.parent / "src/handler.py"]
    assert engine.exec_sees(given)
    assert engine.exec_sees([])
    assert not engine.exec_sees([*given, disk / "blobs"])


def test_nothing_is_mounted_that_may_not_be_packed(root: Path) -> None:
    secret = root.parents[2] / "secret"
    secret.touch()
    lines = ['handler = "inside.py"', f'extra_files = ["{secret}"]']
    assert named(root, *lines) == {}
    assert named(root, *lines, "allow_outside = true") == {secret: secret}


def test_nothing_hides_what_the_container_has_anyway(root: Path) -> None:
    (root.parent / "logs").mkdir()
    (root.parent / "logs/handler.py").touch()
    assert named(root, 'handler = "../logs/handler.py"') == {}
    assert named(root, 'handler = "../src/handler.py"', packaged=False) == {}


def test_files_put_in_the_place_of_others_take_a_new_container(root: Path) -> None:
    given = named(root, 'handler = "inside.py"', 'serialized_file = "linked.pt"')
    labels = outside.override(given)["services"]["dev"]["labels"]
    outside.refuse_unseen("dev", labels, given)
    outside.refuse_unseen("dev", {}, {})
    blob = next(iter(given.values()))
    blob.with_name("new").write_bytes(b"new")
    blob.with_name("new").replace(blob)
    before_that: dict[str, str] = {}
    for seen in (labels, before_that):
        with pytest.raises(EngineError, match="was made before the files") as caught:
            outside.refuse_unseen("dev", seen, given)
        assert "mardock dev rm" in (caught.value.hint or "")


@pytest.mark.parametrize("files", [["docker-compose.yml"], ["docker-compose.yml", "docker-compose.override.yml"]])
def test_a_project_s_own_compose_files_are_named_beside_it(root: Path, files: list[str]) -> None:
    shutil.copy(template_folder() / "docker-compose.yml", root)
    (root / files[-1]).touch()
    project = Project(root)
    named(root, 'handler = "inside.py"')
    assert packaged.arguments(project, compose_files.of(project)) == []
    named(root, 'handler = "inside.py"', 'serialized_file = "linked.pt"')
    project = Project(root)
    made = project.state / "docker-compose.outside.yml"
    told = packaged.arguments(project, compose_files.of(project))
    assert told[1::2] == [*(str(root / name) for name in files), str(made)]
    assert list(yaml.safe_load(made.read_text())["services"]) == ["dev"]


def test_in_the_container_they_are_the_project_s(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = root.parent / "src/handler.py"
    monkeypatch.setenv("MARDOCK_INSIDE", "dev")
    assert Boundary(root).fault(beside, weights=False) is not None
    monkeypatch.setenv("MARDOCK_OUTSIDE", f"{root.parent / 'src'}:/data")
    assert Boundary(root).fault(beside, weights=False) is None
