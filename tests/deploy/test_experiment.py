"""What an experiment is read from: its spec, its archive, and the commit they belong to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from tests.deploy.conftest import git

from mardock.archive.build import build
from mardock.compile.saving import REPORT_NAME
from mardock.deploy import deployment_yaml, experiment, provenance
from mardock.errors import ArchiveError, ConfigError, DeployError
from mardock.settings.project import Project


def test_carries_the_commit_and_the_content_hash(project: Project) -> None:
    found = experiment.load(project, "digits", allow_dirty=False)

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


def test_what_an_editor_left_is_no_dirt(project: Project) -> None:
    for name in ("handler.py~", ".handler.py.swp", ".DS_Store", ".mardockignore~"):
        (project.root / "torchserve/digits" / name).touch()
    (project.root / "torchserve/digits/.#handler.py").symlink_to("somebody@somewhere")

    assert provenance.of(project.root).changed == ()


def test_an_edit_in_a_package_makes_its_archive_stale(project: Project) -> None:
    module = project.root / "src/mylib/model.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n")
    text = (project.root / "mardock.toml").read_text()
    (project.root / "mardock.toml").write_text(
        text.replace("[models.digits.archive]\n", '[models.digits.archive]\ncode = ["src/mylib"]\n')
    )
    git(project.root, "add", ".")
    git(project.root, "commit", "-qm", "a package")
    project = Project(project.root)
    build(project.settings.models["digits"].archive, project.root, project.model_store)
    assert not experiment.load(project, "digits", allow_dirty=False).provenance.changed
    module.write_text("x = 2\n")
    git(project.root, "commit", "-qam", "an edit")

    with pytest.raises(DeployError, match=r"digits\.mar was made of other files .*: mylib/model\.py"):
        experiment.load(project, "digits", allow_dirty=False)


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


def test_the_spec_of_a_target_is_the_targets_to_read(project: Project) -> None:
    (project.root / "torchserve/digits" / deployment_yaml.FILE).unlink()

    assert experiment.load(project, "digits", allow_dirty=True).name == "digits"


def test_names_the_archive_that_is_missing(project: Project) -> None:
    (project.model_store / "digits.mar").unlink()
    with pytest.raises(ArchiveError, match="there is no archive"):
        experiment.load(project, "digits", allow_dirty=True)


def test_refuses_an_archive_of_other_files_than_those_of_the_commit(project: Project) -> None:
    (project.root / "torchserve/digits/handler.py").write_text("def handle(data, context):\n    return []\n")
    git(project.root, "commit", "-qam", "another handler")

    with pytest.raises(DeployError, match=r"digits\.mar was made of other files .*: handler\.py") as refused:
        experiment.load(project, "digits", allow_dirty=False)

    assert refused.value.hint == "mardock archive digits, or --allow-dirty"
    labels = experiment.load(project, "digits", allow_dirty=True).labels
    assert labels["mardock_commit"].endswith("+dirty")
    build(project.settings.models["digits"].archive, project.root, project.model_store)
    assert not experiment.load(project, "digits", allow_dirty=False).provenance.changed


def test_an_archive_under_another_version_is_compared_all_the_same(project: Project) -> None:
    spec = dataclasses.replace(project.settings.models["digits"].archive, version="4")
    build(spec, project.root, project.model_store)

    assert experiment.load(project, "digits", version="4", allow_dirty=False).archive.version == "4"
    build(dataclasses.replace(spec, extra_files=("mardock.toml",)), project.root, project.model_store)
    with pytest.raises(DeployError, match=r"other files .*: mardock\.toml") as refused:
        experiment.load(project, "digits", allow_dirty=False)
    assert refused.value.hint == "mardock archive digits --version 4, or --allow-dirty"


def test_a_compiled_archive_is_held_against_what_it_was_compiled_from(project: Project) -> None:
    kept = project.root / "artifacts/compiled/digits"
    kept.mkdir(parents=True)
    (project.root / "artifacts/digits.pt").write_bytes(b"weights")
    (kept / "trace.pt").write_bytes(b"traced weights")
    sources = {"artifacts/digits.pt": hashlib.sha256(b"weights").hexdigest()}
    (kept / REPORT_NAME).write_text(json.dumps({"sources": sources}))
    text = (project.root / "mardock.toml").read_text()
    (project.root / "mardock.toml").write_text(
        text.replace('version = "3"', 'version = "3"\nserialized_file = "artifacts/digits.pt"')
    )
    git(project.root, "commit", "-qam", "weights")
    fresh = Project(project.root)
    spec = dataclasses.replace(
        fresh.settings.models["digits"].archive,
        serialized_file="artifacts/compiled/digits/trace.pt",
        extra_files=(f"artifacts/compiled/digits/{REPORT_NAME}",),
    )
    build(spec, fresh.root, fresh.model_store)

    assert not experiment.load(fresh, "digits", allow_dirty=False).provenance.changed
    (project.root / "artifacts/digits.pt").write_bytes(b"trained again")
    with pytest.raises(DeployError, match=r"other files .*: artifacts/digits\.pt"):
        experiment.load(fresh, "digits", allow_dirty=False)


def test_an_archive_whose_files_are_gone_needs_leave(project: Project) -> None:
    (project.root / "torchserve/digits/handler.py").unlink()
    git(project.root, "commit", "-qam", "no handler")

    with pytest.raises(ConfigError, match="does not exist"):
        experiment.load(project, "digits", allow_dirty=False)
    assert experiment.load(project, "digits", allow_dirty=True).labels["mardock_commit"].endswith("+dirty")
