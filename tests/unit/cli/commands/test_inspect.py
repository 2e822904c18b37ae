"""What `inspect` and `diff` print, and what they end with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.command import mardock, succeed

from mardock.archive.build import build
from mardock.archive.spec import ArchiveSpec

SPEC = ArchiveSpec("digits", "handler.py", requirements_file="requirements.txt", extra_files=("labels.txt",))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "handler.py").write_text("def handle(data, context):\n    return data\n")
    (tmp_path / "requirements.txt").write_text("# what the handler needs\n\nnumpy==2\n")
    (tmp_path / "labels.txt").write_text("0\n\x1b[31m\n")
    (tmp_path / "mardock.toml").write_text(
        '[models.digits.archive]\nhandler = "handler.py"\nrequirements_file = "requirements.txt"\n'
        'extra_files = ["labels.txt"]\n'
    )
    build(SPEC, tmp_path, tmp_path / "artifacts")
    return tmp_path


def test_inspect_shows_how_members_are_kept_and_what_is_required(project: Path) -> None:
    found = succeed(project, "inspect", "artifacts/digits.mar", "--json").json
    members = {member.pop("name"): member for member in found["members"]}
    assert members["labels.txt"] == {"size": 8, "packed": 8, "compression": "stored"}
    assert (found["requirements"], found["weights"]) == (["numpy==2"], [])
    assert "requires numpy==2" in succeed(project, "inspect", "artifacts/digits.mar").out


def test_diff_of_an_archive_and_the_project_shows_lines_without_control_characters(project: Path) -> None:
    assert succeed(project, "diff", "artifacts/digits.mar", "digits", "--exit-code").out == "no difference\n"
    (project / "labels.txt").write_text("1\n\x1b[31m\n")
    ended = mardock(project, "diff", "artifacts/digits.mar", "digits", "--exit-code")
    assert ended.code == 7
    assert {"changed  labels.txt", "-0", "+1", " \\x1b[31m"} <= set(ended.out.splitlines())
    assert "\x1b" not in ended.out
    told = json.loads(succeed(project, "diff", "artifacts/digits.mar", "digits", "--json").out)
    assert (told["same"], [change["name"] for change in told["changed"]]) == (False, ["labels.txt"])


def test_diff_of_neither_an_archive_nor_a_model_says_so(project: Path) -> None:
    ended = mardock(project, "diff", "artifacts/digits.mar", "letters")
    assert (ended.code, "letters is neither an archive nor a model" in ended.err) == (2, True)


def test_inspect_takes_a_models_name(project: Path) -> None:
    (project / "digits").mkdir()  # as source folders are called
    assert succeed(project, "inspect", "digits", "--json").json["name"] == "digits"
    (project / "artifacts" / "digits.mar").unlink()
    ended = mardock(project, "inspect", "digits")
    assert (ended.code, ended.err) == (4, "error: digits is not archived yet\nhint: mardock archive digits\n")
    ended = mardock(project, "inspect", "letters")
    assert (ended.code, "letters is neither an archive nor a model" in ended.err) == (2, True)
