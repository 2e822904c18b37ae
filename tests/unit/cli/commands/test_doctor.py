"""`mardock init` and `mardock doctor`, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.command import mardock, succeed


def test_a_new_project_says_how_to_go_on(tmp_path: Path) -> None:
    done = succeed(tmp_path, "init", "digits")
    assert done.out == ""
    assert done.err.endswith("cd digits && make demo\n")
    assert (tmp_path / "digits" / "mardock.toml").is_file()


def test_a_folder_that_holds_other_files_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("mine\n", encoding="utf-8")
    done = mardock(tmp_path, "init", ".")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Makefile\nerror: . already holds 1 of the files to write\n")
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_a_folder_with_files_of_other_names_is_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine\n", encoding="utf-8")
    succeed(tmp_path, "init", ".")
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine\n"


@pytest.mark.parametrize("words", [["status"], ["doctor"], ["train"], ["register", "--all"]])
def test_where_no_project_is_every_command_says_so(words: list[str], tmp_path: Path) -> None:
    done = mardock(tmp_path, *words)
    assert done.code == 2
    assert "there is no mardock.toml in " in done.err
    assert done.err.endswith("mardock init .\n")


def test_the_project_may_be_elsewhere(tmp_path: Path) -> None:
    succeed(tmp_path, "init", "digits")
    assert mardock(tmp_path, "--project", "digits", "status").code == 3
    assert mardock(tmp_path / "digits" / "src", "status").code == 3
    assert "no such folder: nowhere" in mardock(tmp_path, "-C", "nowhere", "status").err


def test_doctor_tells_what_is_missing_and_makes_it_on_request(root: Path) -> None:
    found = {check["name"]: check for check in mardock(root, "doctor", "--json").json}
    assert not found["artifacts"]["ok"]
    assert found["artifacts"]["hint"] == "mardock doctor --fix makes it"
    assert found["settings"]["finding"] == "mardock.toml and .env can be read: digits, cats"
    mended = {check["name"]: check for check in mardock(root, "doctor", "--fix", "--json").json}
    assert mended["artifacts"]["ok"]
    assert mended["logs"]["ok"]
    assert (root / "artifacts").is_dir()


def test_doctor_tells_of_broken_settings_and_goes_on(root: Path) -> None:
    (root / "mardock.toml").write_text("[models.x]\narchve = 1\n", encoding="utf-8")
    found = {check["name"]: check for check in mardock(root, "doctor", "--json").json}
    assert found["settings"]["finding"].startswith("mardock.toml:2: unknown key models.x.archve")
    assert found["settings"]["hint"] == "did you mean archive?"
    assert {"python", "disk", "native engine", "docker engine"} <= set(found)
