"""`mardock train`: run when an output is missing or older than an input, and only then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run

TOML = """
engine = "native"
[models.digits.archive]
handler = "handler.py"
[models.digits.train]
command = ["python", "train.py"]
inputs = ["train.py", "data"]
outputs = ["a.pt", "b.pt"]
"""
TRAIN = """
import pathlib, time
for name in ("a.pt", "b.pt"):
    pathlib.Path(name).write_text("weights")
with open("runs", "a") as runs:
    runs.write("x")
"""


@pytest.fixture
def trained(root: Path, run: Run) -> Path:
    """A project whose model has just been trained."""
    (root / "mardock.toml").write_text(TOML, encoding="utf-8")
    (root / "train.py").write_text(TRAIN, encoding="utf-8")
    (root / "data").mkdir()
    (root / "data" / "digits.npz").touch()
    for file in (root / "train.py", root / "data" / "digits.npz"):
        os.utime(file, (1, 1))
    assert run("train").exit_code == 0
    return root


def runs(root: Path) -> int:
    return (root / "runs").stat().st_size


def test_what_is_up_to_date_is_not_trained_again(trained: Path, run: Run) -> None:
    result = run("train", "digits")
    assert result.exit_code == 0
    assert "a.pt, b.pt: up to date" in result.stderr
    assert runs(trained) == 1


def test_force_trains_all_the_same(trained: Path, run: Run) -> None:
    assert run("train", "--force").exit_code == 0
    assert runs(trained) == 2


@pytest.mark.parametrize("changed", ["train.py", "data/digits.npz"])
def test_a_newer_input_trains_again(changed: str, trained: Path, run: Run) -> None:
    later = (trained / "b.pt").stat().st_mtime + 10
    os.utime(trained / changed, (later, later))
    assert run("train").exit_code == 0
    assert runs(trained) == 2


def test_a_missing_output_trains_again(trained: Path, run: Run) -> None:
    (trained / "b.pt").unlink()
    assert run("train").exit_code == 0
    assert runs(trained) == 2


def test_compiled_files_are_no_inputs(trained: Path, run: Run) -> None:
    (trained / "data" / "__pycache__").mkdir()
    later = (trained / "b.pt").stat().st_mtime + 10
    (trained / "data" / "__pycache__" / "train.pyc").touch()
    os.utime(trained / "data" / "__pycache__" / "train.pyc", (later, later))
    assert run("train").exit_code == 0
    assert runs(trained) == 1


def test_an_input_that_is_not_there_is_named(trained: Path, run: Run) -> None:
    (trained / "data" / "digits.npz").unlink()
    (trained / "data").rmdir()
    result = run("train")
    assert result.exit_code == 2
    assert f"training reads {trained / 'data'}, which does not exist" in result.stderr


def test_a_command_that_fails_is_told_with_its_code(trained: Path, run: Run) -> None:
    (trained / "train.py").write_text("raise SystemExit(7)", encoding="utf-8")
    result = run("train", "--force")
    assert result.exit_code == 3
    assert "error: training digits failed with exit code 7\n" in result.stderr


def test_a_command_that_the_user_ended_ends_train_with_its_code_and_no_error(trained: Path, run: Run) -> None:
    (trained / "train.py").write_text("raise SystemExit(130)", encoding="utf-8")
    result = run("train", "--force")
    assert result.exit_code == 130
    assert "error:" not in result.stderr


def test_a_command_that_does_not_write_its_outputs_is_told(trained: Path, run: Run) -> None:
    (trained / "train.py").write_text("import os; os.unlink('b.pt')", encoding="utf-8")
    result = run("train", "--force")
    assert result.exit_code == 3
    assert "error: training digits did not write b.pt\n" in result.stderr


def test_a_model_without_a_command_is_told(root: Path, run: Run) -> None:
    result = run("train", "cats")
    assert result.exit_code == 2
    assert "hint: add a [models.cats.train] table with command and outputs\n" in result.stderr
