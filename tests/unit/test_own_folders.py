"""What mardock makes for itself in a project is nothing git sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mardock import locks, own_folders
from mardock.engines.native.state import Home
from mardock.settings.project import Project
from mardock.temp_folder import temp_folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def seen_by_git(repository: Path) -> str:
    argv = ["git", "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(argv, cwd=repository, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("way", ["lock", "temp", "native"])
def test_whoever_makes_the_state_folder_git_ignores_it(repository: Path, way: str) -> None:
    state = Project(repository).state
    if way == "lock":
        with locks.hold(state / "lock", doing="nothing"):
            assert seen_by_git(repository) == ""
    elif way == "temp":
        with temp_folder(state, "try-") as folder:
            (folder / "model.pt").touch()
            assert seen_by_git(repository) == ""
    else:
        Home(state).make()
        (state / "native" / "server.json").touch()
    assert (state / ".gitignore").read_text() == "*\n"
    assert seen_by_git(repository) == ""


def test_a_state_folder_of_before_is_ignored_from_the_next_command_on(repository: Path) -> None:
    state = repository / own_folders.STATE
    state.mkdir()
    (state / "lock").touch()
    assert seen_by_git(repository) != ""
    own_folders.make(state / "native")
    assert seen_by_git(repository) == ""


def test_only_the_first_folder_that_is_made_ignores_itself(repository: Path) -> None:
    own_folders.make(repository / "artifacts" / "compiled" / "mnist")
    assert [path.parent.name for path in repository.rglob(".gitignore")] == ["artifacts"]


def test_a_folder_that_is_there_stays_its_owners(repository: Path) -> None:
    (repository / "logs").mkdir()
    own_folders.make(repository / "logs")
    assert os.listdir(repository / "logs") == []  # noqa: PTH208


def test_a_users_own_rules_in_the_state_folder_are_kept(repository: Path) -> None:
    state = repository / own_folders.STATE
    state.mkdir()
    (state / ".gitignore").write_text("*\n!kept\n")
    own_folders.make(state)
    assert (state / ".gitignore").read_text() == "*\n!kept\n"
