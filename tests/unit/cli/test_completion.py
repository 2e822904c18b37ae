"""What shells are given to complete, as they ask for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest
from tests.support.command import environment

# What pip installs: by the name in argv shells tell whose words they complete.
SCRIPT = "import sys; sys.argv[0] = 'mardock'; from mardock.__main__ import main; main()"
SHELLS = {
    "bash": lambda line: {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
    "zsh": lambda line: {"_TYPER_COMPLETE_ARGS": line},
    "fish": lambda line: {
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": "",
    },
}


def completed(root: Path, line: str, shell: str = "bash", **more: str) -> list[str]:
    """Return what a shell is given for a command line whose last word is not complete."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=root,
        env=environment({**SHELLS[shell](line), "_MARDOCK_COMPLETE": f"complete_{shell}", **more}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_models_of_the_project_complete_in_every_shell(root: Path, shell: str) -> None:
    assert "digits" in " ".join(completed(root, "mardock archive d", shell))


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("mardock archive ", ["digits", "cats"]),
        ("mardock predict di", ["digits"]),
        ("mardock models scale c", ["cats"]),
        ("mardock inspect c", ["cats"]),
        ("mardock deploy plan c", ["cats"]),
        ("mardock logs x", []),
        ("mardock predict digits --version ", []),
        ("mardock archive --compiled ea", ["eager"]),
        ("mardock up --engine n", ["native"]),
    ],
)
def test_what_completes(root: Path, line: str, names: list[str]) -> None:
    assert completed(root, line) == names


def test_another_folders_project_may_be_named(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert completed(tmp_path_factory.mktemp("else"), f"mardock -C {root} archive c") == ["cats"]


@pytest.mark.parametrize("content", ["[models", "models = 3", "[models]\nx = 1", "\udcff", None])
def test_nothing_is_said_where_nothing_can_be_told(tmp_path: Path, content: Optional[str]) -> None:
    if content is not None:
        (tmp_path / "mardock.toml").write_bytes(os.fsencode(content))
    assert completed(tmp_path, "mardock archive d") == []
    assert completed(tmp_path, "mardock models describe d") == []
