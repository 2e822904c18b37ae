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


def test_containers_never_run_as_root() -> None:
    assert 0 not in folders.user()


def test_missing_folders_are_made(root: Path) -> None:
    folders.prepare(Project(root))
    assert {path.name for path in root.iterdir()} == {"src", "torchserve", "datasets", "artifacts", "logs"}


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
    said = prepare_as(4242, root)
    assert f"{what.partition('/')[0]}/" in said
    assert "uid 0" in said
    assert "sudo chown -R" in said
    assert stat.S_ISDIR((root / "logs").stat().st_mode)
