"""What is sent to a model."""

from __future__ import annotations

import os

import pytest

from mardock.errors import ConfigError
from mardock.settings.project import Project
from mardock.tasks import samples


def test_it_is_the_models_sample_unless_files_are_named_and_folders_are_opened(project: Project) -> None:
    assert samples.to_send(project, None, []) == [project.root / "sample.txt"]
    folder = project.root / "more"
    (folder / "deeper").mkdir(parents=True)
    for name in ("b", "a", ".hidden", "a~", "#a#"):
        (folder / name).write_text(name)
    assert samples.to_send(project, None, [folder]) == [folder / "a", folder / "b"]
    assert samples.bodies(project, "doubler", [folder, project.root / "sample.txt"]) == (b"a", b"b", b"21")


def test_some_are_picked_and_never_one_twice(project: Project) -> None:
    folder = project.root / "more"
    folder.mkdir()
    files = [folder / f"{number}.png" for number in range(20)]
    for file in files:
        file.touch()
    picked = samples.some(samples.to_send(project, None, [folder]), 10)
    assert len(set(picked)) == 10
    assert set(picked) < set(files)
    assert len(samples.some(files, 50)) == 20
    assert samples.some(files, None) == files


def test_a_file_that_cannot_be_read_is_named(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: Is a directory"):
        samples.read(project.root)


def test_what_is_too_large_to_be_held_is_refused(project: Project) -> None:
    os.truncate(project.root / "sample.txt", (256 << 20) + 1)
    with pytest.raises(ConfigError, match="larger than 256 MiB"):
        samples.bodies(project, "doubler", [])
