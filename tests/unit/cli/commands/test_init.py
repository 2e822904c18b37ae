"""`mardock init`, in a process of its own or on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from tests.support.command import MARDOCK, environment, mardock, succeed

from mardock.settings import template

HANDLER = "class Speaker(BaseHandler):\n    pass\n"


def test_a_new_project_says_how_to_go_on(tmp_path: Path) -> None:
    done = succeed(tmp_path, "init", "digits")
    assert done.out == ""
    assert done.err.endswith("cd digits && make demo\n")
    assert (tmp_path / "digits" / "mardock.toml").is_file()


def test_an_environment_or_a_new_repository_is_no_file_of_the_users(tmp_path: Path) -> None:
    for name in (".git", ".venv"):
        (tmp_path / name).mkdir()
    assert succeed(tmp_path, "init").err.endswith("make demo\n")


def test_the_example_is_not_written_over_other_files(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("mine\n", encoding="utf-8")
    done = mardock(tmp_path, "init", ".", "--example")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Makefile\nerror: . already holds 1 of the files to write\n")
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_beside_files_of_other_names_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine\n", encoding="utf-8")
    succeed(tmp_path, "init", ".", "--example")
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine\n"
    assert (tmp_path / "Makefile").is_file()


def test_what_the_users_ignore_files_lack_is_told(tmp_path: Path) -> None:
    own = {".gitignore": "logs/*\n", ".dockerignore": "*\n!wheels\n"}
    for name, text in own.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    told = succeed(tmp_path, "init", "--example").err.splitlines()
    assert {".mardock/", "artifacts/*", "!constraints.txt"} <= {*told}
    assert not {"logs/*", "*", "!wheels"} & {*told}
    for name, text in own.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text
    for name, lines in template.lines_to_add(tmp_path).items():
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(lines)
    assert template.lines_to_add(tmp_path) == {}


def test_a_folder_with_files_gets_one_more(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(HANDLER, encoding="utf-8")
    done = succeed(tmp_path, "init", "--model", "cats")
    assert "wrote mardock.toml, which names handler.py" in done.err
    assert done.err.endswith("mardock archive cats && mardock up\n")
    assert {path.name for path in tmp_path.iterdir()} == {"handler.py", "mardock.toml"}
    assert "nothing to write: this is a project already" in succeed(tmp_path, "init").err


def test_what_was_chosen_is_told_in_one_line_where_nobody_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    first, *_ = succeed(tmp_path, "init").err.splitlines()
    assert first == ". holds files of yours: only mardock.toml is added; --example writes the whole example"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("answer", "whole"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_on_a_terminal_it_is_asked(tmp_path: Path, answer: str, whole: bool) -> None:
    (tmp_path / "main.py").touch()
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*MARDOCK, "init"], cwd=tmp_path, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs
    ) as command:
        os.close(theirs)
        os.write(ours, answer.encode())
        said = b""
        while b"\xe2\x86\x92" not in said:  # the arrow before the next command
            said += os.read(ours, 4096)
        assert command.wait() == 0
    os.close(ours)
    assert b"Write the whole example beside them? [y/N]" in said
    assert (tmp_path / "Makefile").exists() is whole
    assert (tmp_path / "mardock.toml").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--example", "--bare"], "--example and --bare exclude each other"),
        (["--example", "--model", "cats"], "--example and --model exclude each other"),
        (["--handler", "nonsense"], "there is no handler of the kind 'nonsense'"),
        (["--model", "a/b"], "model name 'a/b' is not allowed"),
        (["file"], "cannot use file: Not a directory"),
        (["file/below"], "cannot use file/below: Not a directory"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_writes_nothing(tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "file").touch()
    done = mardock(tmp_path, "init", *words)
    assert done.code == 2
    assert f"error: {told}" in done.err
    assert "hint: " in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_each_project_of_a_repository_is_found_from_below(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        below = tmp_path / name / "src" / "deep"
        below.mkdir(parents=True)
        (tmp_path / name / "handler.py").write_text(HANDLER, encoding="utf-8")
        succeed(tmp_path, "init", name, "--bare")
        assert f"can be read: {name}" in mardock(below, "doctor").out
