"""`mardock doctor`, in a process of its own, and how commands find their project."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.command import mardock, succeed


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
    assert found["artifacts"]["finding"] == "made when it is needed, or by mardock doctor --fix"
    assert not (root / "artifacts").exists()
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
