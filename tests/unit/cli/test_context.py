"""What is run in the dev container in the place of a command here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.conftest import Run

from mardock.cli import context
from mardock.engines import select
from mardock.errors import ConfigError
from mardock.settings.project import Project


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
        (".", '--json-body={"a": "../samples"}', '--json-body={"a": "../samples"}'),
        (".", '{"text": "' + 5000 * "a" + '"}', '{"text": "' + 5000 * "a" + '"}'),  # too long for a path
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


class Elsewhere:
    """An engine whose torch is in a container: it keeps what it is to run there."""

    torch_is_here = False

    def __init__(self) -> None:
        self.argv: list[str] = []

    def exec(self, argv: Sequence[str], **options: Any) -> int:
        self.argv = list(argv)
        return 7

    def exec_sees(self, paths: Sequence[Path]) -> bool:
        return not paths


@pytest.mark.parametrize(
    ("options", "command", "inside"),
    [
        ((), ("archive", "digits"), ("archive", "digits")),
        (("-CROOT",), ("archive", "digits"), ("archive", "digits")),
        (("-C", "ROOT"), ("archive", "digits"), ("archive", "digits")),
        (("--project=ROOT",), ("archive", "digits"), ("archive", "digits")),
        (("--project", "ROOT"), ("archive", "--engine=docker", "digits"), ("archive", "digits")),
        ((), ("archive", "--engine", "docker", "digits", "--force"), ("archive", "digits", "--force")),
        ((), ("try", "digits", "--data=one.png"), ("try", "digits", "--data=samples/one.png")),
        ((), ("try", "--engine", "docker", "digits", "--", "one.png"), ("try", "digits", "--", "samples/one.png")),
        ((), ("try", "digits", "--", "--engine"), ("try", "digits", "--", "--engine")),  # a file's name
        ((), ("mar", "digits"), ("mar", "digits")),  # though there is a file of that name
    ],
)
def test_a_command_arrives_in_the_container_without_what_is_settled_there(
    root: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    command: tuple[str, ...],
    inside: tuple[str, ...],
) -> None:
    (root / "mardock.toml").write_text('[models.digits.archive]\nhandler = "handler.py"\n', encoding="utf-8")
    (root / "samples" / "mar").touch()
    monkeypatch.chdir(root / "samples")
    engine = Elsewhere()
    monkeypatch.setattr(select, "where_torch_is", lambda project, listener: engine)
    done = run(*(option.replace("ROOT", str(root)) for option in options), *command)
    assert done.exit_code == 7, done.output
    assert engine.argv == ["mardock", *inside]


def test_what_the_container_has_not_all_files_of_is_made_in_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "mardock.toml").touch()
    engine = Elsewhere()
    monkeypatch.setattr(select, "where_torch_is", lambda project, listener: engine)
    assert not context.forward_to_torch(Project(root), reads=[root.parent / "weights.pt"])
    assert engine.argv == []
