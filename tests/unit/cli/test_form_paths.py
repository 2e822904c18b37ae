"""A file in a form's field is found by the same command in the dev container."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.cli.context import _seen_from
from mardock.errors import ConfigError


@pytest.mark.parametrize(
    ("argument", "seen"),
    [
        ("f=@x.bin", "f=@data/x.bin"),
        ("--form=f=@x.bin;type=image/png", "--form=f=@data/x.bin;type=image/png"),
        ("f=@missing", "f=@missing"),
        ("f=text", "f=text"),
        ("x.bin", "data/x.bin"),
    ],
)
def test_its_path_is_relative_to_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, seen: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.bin").touch()
    monkeypatch.chdir(tmp_path / "data")
    assert _seen_from(tmp_path, argument) == seen


def test_one_outside_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "x.bin").touch()
    with pytest.raises(ConfigError, match="lies outside of the project"):
        _seen_from(tmp_path / "project", f"f=@{tmp_path}/x.bin")
