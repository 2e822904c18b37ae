"""What an experiment is read from: its spec, its archive, and the commit they belong to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mardock.deploy import experiment, provenance
from mardock.errors import ArchiveError, ConfigError, DeployError
from mardock.settings.project import Project


def test_carries_the_commit_and_the_content_hash(project: Project) -> None:
    found = experiment.load(project, "digits", allow_dirty=False)

    assert found.spec["instance_type"] == "Standard_DS3_v2"
    assert found.serving.startup_timeout == 90
    assert len(found.provenance.commit) == 40
    assert found.labels == {"mardock_commit": found.provenance.commit, "mardock_sha256": found.archive.sha256}
    assert found.dockerfile is None


def test_refuses_a_dirty_tree_unless_told_otherwise(project: Project) -> None:
    (project.root / "torchserve/digits/extra.py").touch()

    with pytest.raises(DeployError, match="not what git has") as refused:
        experiment.load(project, "digits", allow_dirty=False)

    assert refused.value.details == "torchserve/digits/extra.py"
    assert "--allow-dirty" in (refused.value.hint or "")
    assert experiment.load(project, "digits", allow_dirty=True).labels["mardock_commit"].endswith("+dirty")


def test_a_change_beside_the_project_is_none_of_its_own(project: Project) -> None:
    (project.root.parent / "notes.txt").touch()

    assert provenance.of(project.root).changed == ()


def test_says_what_is_missing_without_a_repository(project: Project) -> None:
    shutil.rmtree(project.root.parent / ".git")

    with pytest.raises(DeployError, match="in no git repository with a commit"):
        experiment.load(project, "digits", allow_dirty=True)


def test_says_that_git_is_missing(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(DeployError, match="git is not installed"):
        provenance.of(project.root)


def test_refuses_a_version_that_is_not_the_archives(project: Project) -> None:
    with pytest.raises(DeployError, match=r"digits\.mar has version 3, not 4") as refused:
        experiment.load(project, "digits", version="4", allow_dirty=False)

    assert refused.value.hint == "mardock archive digits --version 4"


@pytest.mark.parametrize("text", ["instance_type: [", "- a list"])
def test_refuses_a_spec_that_is_no_mapping(project: Project, text: str) -> None:
    (project.root / "torchserve/digits" / experiment.SPEC).write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=r"torchserve/digits/torchserve-deployment\.yaml"):
        experiment.load(project, "digits", allow_dirty=True)


def test_names_the_file_that_is_missing(project: Project) -> None:
    (project.root / "torchserve/digits" / experiment.SPEC).unlink()
    with pytest.raises(ConfigError, match=r"there is no torchserve/digits/torchserve-deployment\.yaml"):
        experiment.load(project, "digits", allow_dirty=True)

    (project.model_store / "digits.mar").unlink()
    (project.root / "torchserve/digits" / experiment.SPEC).write_text("{}", encoding="utf-8")
    with pytest.raises(ArchiveError, match="there is no archive"):
        experiment.load(project, "digits", allow_dirty=True)
