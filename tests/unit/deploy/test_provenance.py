"""What git says of a project, and each reason it may have to say nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mardock.deploy import provenance
from mardock.errors import DeployError

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def refusal(folder: Path) -> DeployError:
    with pytest.raises(DeployError) as refused:
        provenance.of(folder)
    return refused.value


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit, in a folder whose name needs quotes."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "my project"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_commit_is_its_digits(repository: Path) -> None:
    (repository / "new").touch()
    found = provenance.of(repository)
    assert len(found.commit) == 40
    assert found.changed == ("new",)


def test_another_users_repository_is_told_as_that(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "below").mkdir()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    for folder in (repository, repository / "below"):
        error = refusal(folder)
        assert "another user's" in error.message
        assert error.hint == f"git config --global --add safe.directory '{repository}'"


def test_no_repository_and_no_commit_want_one(repository: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for begin in (False, True):
        if begin:
            git(empty, "init", "-q")
        error = refusal(empty)
        assert "is in no git repository with a commit" in error.message
        assert error.hint == "git init && git add . && git commit"


def test_a_broken_repository_is_not_told_as_none(repository: Path) -> None:
    (repository / ".git" / "config").write_text("[broken")
    error = refusal(repository)
    assert "git cannot read the repository" in error.message
    assert "bad config" in str(error.details)
