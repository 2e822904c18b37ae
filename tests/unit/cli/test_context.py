"""What is run in the dev container in the place of a command here."""

from __future__ import annotations

from pathlib import Path

import pytest

from mardock.cli import context
from mardock.errors import ConfigError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "my project"
    for folder in ("samples", "digits", "samples/digits"):
        (root / folder).mkdir(parents=True)
    (root / "samples" / "one.png").touch()
    return root


@pytest.mark.parametrize(
    ("cwd", "argument", "inside"),
    [
        (".", "samples/one.png", "samples/one.png"),
        (".", "ROOT/samples/one.png", "samples/one.png"),
        ("samples", "one.png", "samples/one.png"),
        ("samples", "./digits", "samples/digits"),
        ("digits", "../samples/one.png", "samples/one.png"),
        ("digits", "--data=../samples", "--data=samples"),
        ("..", "my project/samples/one.png", "samples/one.png"),
        ("samples", "digits", "digits"),  # the model of that name
        (".", "samples/two.png", "samples/two.png"),
        (".", "--batch", "--batch"),
        (".", "", ""),
    ],
)
def test_a_path_is_told_from_the_project_s_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch, cwd: str, argument: str, inside: str
) -> None:
    monkeypatch.chdir(root / cwd)
    assert context._seen_from(root, argument.replace("ROOT", str(root))) == inside


def test_what_the_container_does_not_see_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root.parent / "stranger.png").touch()
    (root / "link.png").symlink_to(root.parent / "stranger.png")
    monkeypatch.chdir(root)
    for argument in ("../stranger.png", "link.png"):
        with pytest.raises(ConfigError, match="lies outside of the project"):
            context._seen_from(root, argument)
