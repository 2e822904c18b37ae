"""How a model is served in the end, and what the two files say differently."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.archive.contents import of_project
from mardock.archive.diff import compare
from mardock.archive.directory import lay_out
from mardock.archive.spec import CompletedSpec
from mardock.errors import ConfigError
from mardock.settings.as_served import as_served, conflicts
from mardock.settings.load import load
from mardock.settings.schema import ModelSettings, Serving
from mardock.swap import snapshot

ARCHIVE = '[models.dog.archive]\nhandler = "handler.py"\nconfig_file = "dog.yaml"\n'


def model(root: Path, toml: str = "", config: str = "a: 1\n") -> ModelSettings:
    (root / "mardock.toml").write_text(ARCHIVE + toml)
    (root / "handler.py").write_text("class Handler:\n    pass\n")
    (root / "dog.yaml").write_text(config)
    return load(root, {}).models["dog"]


def test_keys_of_model_config_win_over_those_of_mardock_toml(tmp_path: Path) -> None:
    settings = model(tmp_path, "[models.dog.serving]\nbatch_size = 4\nstartup_timeout = 9\n", "batchSize: 8\n")
    assert as_served(settings, tmp_path) == Serving(batch_size=8, startup_timeout=9)


def test_what_both_set_alike_or_one_alone_is_no_conflict(tmp_path: Path) -> None:
    settings = model(tmp_path, "[models.dog.serving]\nbatch_size = 8\nstartup_timeout = 9\n", "batchSize: 8\n")
    assert conflicts(settings, tmp_path, "dog") == []
    settings = model(tmp_path, "[models.dog]\nserving = {batch_size = 8}\n", "startupTimeout: 8\n")
    assert conflicts(settings, tmp_path, "dog") == []


def test_a_conflict_names_both_lines(tmp_path: Path) -> None:
    settings = model(tmp_path, "[models.dog.serving]\nbatch_size = 4\n", "# mine\nbatchSize: 8\n")
    (conflict,) = conflicts(settings, tmp_path, "dog")
    assert str(conflict) == "batch_size: mardock.toml:5 says 4, but dog.yaml:2 says batchSize: 8, which wins"


def test_a_config_file_that_is_gone_is_told(tmp_path: Path) -> None:
    settings = model(tmp_path)
    (tmp_path / "dog.yaml").unlink()
    with pytest.raises(ConfigError, match=r"cannot read dog\.yaml"):
        as_served(settings, tmp_path)


def test_time_outs_are_part_of_what_is_archived_laid_out_and_watched(tmp_path: Path) -> None:
    plain = model(tmp_path)
    settings = model(tmp_path, "[models.dog.serving]\nstartup_timeout = 300\n")
    completed = b"a: 1\n# From mardock.toml:\nstartupTimeout: 300\n"
    assert isinstance(settings.archive, CompletedSpec)
    (change,) = compare(of_project(plain.archive, tmp_path), of_project(settings.archive, tmp_path)).changed
    assert change.name == "dog.yaml"
    assert change.lines[-1] == "+startupTimeout: 300"

    lay_out(tmp_path / "folder", settings.archive, settings.archive.resolve(tmp_path))
    assert (tmp_path / "folder" / "dog.yaml").read_bytes() == completed

    before, after = snapshot.take(plain, tmp_path), snapshot.take(settings, tmp_path)
    assert after.members["dog.yaml"].content == completed
    assert after.changed_since(before) == ("dog.yaml", "mardock.toml")
