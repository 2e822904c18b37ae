"""Whether an archive holds what one of the project's files would hold now, with and without reading all of them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mardock.archive.build import build
from mardock.archive.read import ModelArchive
from mardock.archive.spec import ArchiveSpec
from mardock.serving.freshness import outdated

SPEC = ArchiveSpec("mnist", "handler.py", extra_files=("labels.json",))


@pytest.fixture
def archive(tmp_path: Path) -> ModelArchive:
    """The archive of a project, written after its files."""
    (tmp_path / "handler.py").write_text("def handle(data, context):\n    return []\n")
    (tmp_path / "labels.json").write_text("[1]")
    (tmp_path / "artifacts").mkdir()
    return build(SPEC, tmp_path, tmp_path / "artifacts").archive


@pytest.mark.parametrize("touched_only", [False, True])
def test_what_changed_is_named(tmp_path: Path, archive: ModelArchive, *, touched_only: bool) -> None:
    assert outdated(SPEC, tmp_path, archive, touched_only=touched_only) == ()
    (tmp_path / "labels.json").write_text("[2]")
    assert outdated(SPEC, tmp_path, archive, touched_only=touched_only) == ("labels.json",)
    (tmp_path / "more.json").write_text("{}")
    more = replace(SPEC, extra_files=("*.json",), runtime="python3")
    assert outdated(more, tmp_path, archive, touched_only=touched_only) == ("runtime", "more.json", "labels.json")


def test_a_file_that_was_moved_there_is_read_whatever_its_date(tmp_path: Path, archive: ModelArchive) -> None:
    (tmp_path / "old.json").write_text("[3]")
    os.utime(tmp_path / "old.json", (1, 1))
    (tmp_path / "old.json").replace(tmp_path / "labels.json")
    assert outdated(SPEC, tmp_path, archive, touched_only=True) == ("labels.json",)


def test_a_file_that_was_only_touched_is_the_same(tmp_path: Path, archive: ModelArchive) -> None:
    (tmp_path / "labels.json").touch()
    assert outdated(SPEC, tmp_path, archive, touched_only=True) == ()
