"""Which files are sent to a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.errors import ConfigError
from mardock.settings.project import Project
from mardock.tasks.samples import read, some, to_send


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "mardock.toml").write_text(
        '[models.digits]\nsample = "samples"\n[models.digits.archive]\nhandler = "handler.py"\n', encoding="utf-8"
    )
    return tmp_path


@pytest.fixture
def samples(root: Path) -> Path:
    folder = root / "samples"
    folder.mkdir()
    return folder


def test_a_folder_gives_its_files_in_order_without_hidden_ones_and_folders(root: Path, samples: Path) -> None:
    (samples / "deeper").mkdir()
    for name in ("b_2.png", "a_1.png", ".DS_Store"):
        (samples / name).touch()
    assert to_send(Project(root), "digits", []) == [samples / "a_1.png", samples / "b_2.png"]


def test_some_are_picked_and_never_one_twice(root: Path, samples: Path) -> None:
    files = [samples / f"{number}.png" for number in range(20)]
    for file in files:
        file.touch()
    picked = some(to_send(Project(root), "digits", [samples]), 10)
    assert len(set(picked)) == 10
    assert set(picked) < set(files)
    assert len(some(to_send(Project(root), "digits", [samples]), 50)) == 20


def test_a_file_that_cannot_be_read_is_named(samples: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*samples: Is a directory"):
        read(samples)
