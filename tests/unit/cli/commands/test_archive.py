"""`archive --dry-run`: what goes in, what does not, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run


@pytest.fixture
def packaged(root: Path) -> Path:
    """The project with a package for `cats`, and what an editor left in it."""
    (root / "src" / "mylib" / "__pycache__").mkdir(parents=True)
    for name in ("src/mylib/model.py", "src/mylib/model.py~", "src/mylib/run.log"):
        (root / name).write_text("1")
    (root / "handler.py").write_text("def handle(data, context): ...\n")
    (root / ".mardockignore").write_text("*.log\n")
    (root / "mardock.toml").write_text((root / "mardock.toml").read_text() + 'code = ["src/mylib"]\n')
    return root


def test_it_shows_every_member_and_what_is_ignored_by_which_pattern(run: Run, packaged: Path) -> None:
    shown = run("archive", "cats", "--dry-run")
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines == [
        ["MEMBER", "SOURCE", "BYTES"],
        ["handler.py", "handler.py", "31"],
        ["mylib/model.py", "src/mylib/model.py", "1"],
        ["MAR-INF/MANIFEST.json", "made"],
        [],
        ["IGNORED", "BY"],
        ["src/mylib/__pycache__/", "built", "in:", "__pycache__/"],
        ["src/mylib/model.py~", "built", "in:", "*~"],
        ["src/mylib/run.log", ".mardockignore:1:", "*.log"],
    ]
    assert not (packaged / "artifacts").exists()


def test_it_is_told_as_data(run: Run, packaged: Path) -> None:
    told = json.loads(run("archive", "cats", "--dry-run", "--json").stdout)
    assert (told["name"], told["version"]) == ("cats", "1.0")
    assert told["members"][1] == {"name": "mylib/model.py", "source": "src/mylib/model.py", "size": 1}
    assert told["members"][-1] == {"name": "MAR-INF/MANIFEST.json", "source": None, "size": None}
    assert {"path": "src/mylib/run.log", "reason": ".mardockignore:1: *.log"} in told["ignored"]


def test_what_cannot_be_archived_is_refused_as_it_would_be(run: Run, packaged: Path) -> None:
    (packaged / "handler.py").unlink()
    refused = run("archive", "cats", "--dry-run")
    assert refused.exit_code == 2
    assert "handler: handler.py does not exist" in refused.stderr


def test_a_misspelt_ignore_pattern_is_a_fault_of_the_settings(run: Run, packaged: Path) -> None:
    (packaged / ".mardockignore").write_text("*.log\n!\n")
    refused = run("archive", "cats", "--dry-run")
    assert refused.exit_code == 2
    assert ".mardockignore:2: '!' is no pattern of .gitignore" in refused.stderr
