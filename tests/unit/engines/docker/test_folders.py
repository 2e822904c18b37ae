"""Whose the mounted folders are before a container starts."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mardock
from mardock.engines.docker import folders
from mardock.engines.docker.folders import User
from mardock.errors import EngineError
from mardock.settings.project import Project

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.fixture
def root() -> Iterator[Path]:
    """A project's folder that every user can enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def prepare_as(uid: int, root: Path) -> str:
    """What `prepare` says to a user, and its hint; empty when it is content."""
    code = (
        "import os, pathlib, sys\n"
        "from mardock.engines.docker import folders; from mardock.settings.project import Project\n"
        "from mardock.errors import EngineError\n"
        "os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))\n"
        "try: folders.prepare(Project(pathlib.Path(sys.argv[1])))\n"
        "except EngineError as error: print(error.message, error.hint)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(mardock.__file__).parents[1])}
    argv = [sys.executable, "-c", code, str(root), str(uid)]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=environ).stdout.strip()


def test_containers_never_run_as_root(root: Path) -> None:
    assert 0 not in folders.user(root)


@as_root
def test_where_root_calls_they_run_as_the_projects_owner(root: Path) -> None:
    os.chown(root, 4242, 4243)
    assert folders.user(root) == (4242, 4243)
    folders.prepare(Project(root))
    assert (root / "artifacts").stat().st_uid == 4242


@as_root
def test_what_belongs_to_neither_is_refused_to_root_too(root: Path) -> None:
    (root / "artifacts").mkdir()
    os.chown(root / "artifacts", 4242, 4242)
    with pytest.raises(EngineError, match=r"artifacts/ .* cannot be written by uid 1000, .* uid 4242"):
        folders.prepare(Project(root))


def test_a_file_s_owner_group_and_others_may_write_what_its_mode_says(root: Path) -> None:
    file, folder = root / "file", root / "folder"
    file.touch()
    folder.mkdir()
    for path, modes in ((file, (0o600, 0o060, 0o006)), (folder, (0o700, 0o070, 0o007))):
        owner = path.stat()
        users = [User(owner.st_uid + 4242, owner.st_gid + shift) for shift in (0, 1)]
        may = []
        for mode in modes:
            path.chmod(mode)
            may.append([user.may_write(path) for user in users])
        assert may == [[False, False], [True, False], [False, True]]


@as_root
def test_root_gives_away_what_a_command_is_to_write_and_its_folder(root: Path) -> None:
    (root / "torchserve/mnist").mkdir(parents=True)
    (root / "torchserve/mnist/handler.py").touch()
    file = root / "torchserve/mnist/golden.json"
    file.touch()
    folders.make_writable(Project(root), User(4242, 4243), [file, root / "made/for/it.pt"])
    owned = [path for path in (root, *root.rglob("*")) if path.stat().st_uid == 4242]
    names = {str(path.relative_to(root)) for path in owned}
    assert names == {"torchserve/mnist", "torchserve/mnist/golden.json", "made", "made/for"}


@as_root
def test_root_gives_away_nothing_outside_of_the_project(root: Path) -> None:
    project = root / "project"
    project.mkdir()
    (project / "torchserve").symlink_to(root)
    with pytest.raises(EngineError, match=r"torchserve/golden.json cannot be written by uid 4242"):
        folders.make_writable(Project(project), User(4242, 4242), [project / "torchserve/golden.json"])
    assert root.stat().st_uid == 0


@as_root
def test_the_project_s_own_folder_stays_root_s(root: Path) -> None:
    (root / "my files").mkdir(mode=0o755)
    with pytest.raises(EngineError, match=r"weights.pt cannot be written by uid 4242") as caught:
        folders.make_writable(Project(root / "my files"), User(4242, 4242), [root / "my files" / "weights.pt"])
    assert caught.value.hint == f"sudo chown 4242:4242 '{root}/my files'"


def test_missing_folders_are_made(root: Path) -> None:
    folders.prepare(Project(root))
    assert {path.name for path in root.iterdir()} == {"src", "torchserve", "datasets", "artifacts", "logs"}


def test_in_a_project_of_somebody_s_own_none_are_made_but_those_it_is_served_from(root: Path) -> None:
    folders.prepare(Project(root), packaged=True)
    assert {path.name for path in root.iterdir()} == {"artifacts", "logs"}


def test_a_file_in_the_place_of_one_is_named(root: Path) -> None:
    (root / "datasets").touch()
    with pytest.raises(EngineError, match="datasets is not a folder"):
        folders.prepare(Project(root))


@as_root
def test_root_gives_its_files_to_the_containers_user_and_follows_no_link(root: Path) -> None:
    (root / "artifacts").mkdir()
    outside = root / "outside"
    outside.touch()
    (root / "artifacts/link").symlink_to(outside)
    (root / "artifacts/weights.pt").touch()
    folders.prepare(Project(root))
    assert {(root / "artifacts" / name).lstat().st_uid for name in (".", "link", "weights.pt")} == {folders.STRANGER}
    assert outside.stat().st_uid == 0
    assert (root / "src").stat().st_uid == 0


@as_root
@pytest.mark.parametrize("what", ["artifacts", "logs", "logs/ts_log.log"])
def test_what_root_owns_is_refused_to_others(root: Path, what: str) -> None:
    os.chown(root, 4242, 4242)
    assert prepare_as(4242, root) == ""
    if what.endswith(".log"):
        (root / what).touch()
    os.chown(root / what, 0, 0)
    assert (root / what).lstat().st_mode & 0o022 == 0
    said = prepare_as(4242, root)
    assert f"{what.partition('/')[0]}/" in said
    assert "uid 0" in said
    assert "sudo chown -R" in said
    assert stat.S_ISDIR((root / "logs").stat().st_mode)
