"""docs/tutorial.md, done as it says by somebody who has of mardock a wheel alone: each test is its next section."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.projects import PORTS, REPOSITORY
from tests.support.command import environment
from tests.support.environments import Environment
from tests.support.ports import free_ports
from tests.support.tutorial import Reader, published, sections, wheel

IN_DOCKER = "The same in Docker"
"""What tests/docker/test_tutorial.py reads."""
NATIVE = [title for title in sections() if title != IN_DOCKER]


def variables(folder: Path) -> dict[str, str]:
    """The variables of a reader who finds mardock's wheel as if an index had it, with tools installed in a folder."""
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX")
    kept = {name: value for name, value in environment().items() if name not in left_out}
    (folder / "repository").mkdir()
    dist, bin_ = str(wheel(folder / "dist")), folder / "bin"
    bin_.mkdir()
    (bin_ / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    path = [part for part in kept["PATH"].split(os.pathsep) if Path(part) != Path(sys.executable).parent]
    found = {
        "PIP_FIND_LINKS": f"{dist} {kept.get('PIP_FIND_LINKS', '')}",
        "UV_FIND_LINKS": dist,
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(bin_),
        "PATH": os.pathsep.join([str(bin_), *path]),
        "TERM": "dumb",
        "COLUMNS": "200",
    }
    ports = {f"MARDOCK_{name}": str(port) for name, port in zip(PORTS, free_ports(len(PORTS)))}
    return {**kept, **found, **ports, **published(folder / "repository")}


@pytest.fixture(scope="module")
def reader(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader with a tool of its own for mardock; the project's environment has what is installed here."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "work").mkdir()
    otherwise = {"environment": own_environment, "one environment": nothing}
    found = Reader(folder / "work", variables(folder), otherwise)
    yield found
    found.stop()


def own_environment(project: Path) -> None:
    """Make the project's environment of what is installed here, which is quick."""
    made = Environment(project / ".venv")
    made.add_all_of_this_but_mardock()
    (made.packages / "sentiment.pth").write_text(f"{project / 'src'}\n")


def nothing(_: Path) -> None:
    """Leave a step out."""


@pytest.mark.parametrize("title", NATIVE)
def test_the_section_is_true(reader: Reader, title: str) -> None:
    check(title, reader.read(title))


def check(title: str, printed: dict[str, str]) -> None:
    """Hold what a section says in words about what its commands print."""
    if title == "Serve it":
        answers = [word for word in printed["predict"].split() if word.endswith("tive")]
        assert answers == ["positive", "negative", "negative"]
    if title == "From Python":
        assert len(printed["ask"].split()) == 2
        assert "1 passed" in printed["test"]


@pytest.mark.slow
def test_all_of_it_is_true_in_one_environment_that_was_empty(native: None, tmp_path: Path) -> None:
    """Everything comes by its name from where pip looks: torch with the project, TorchServe and Java with mardock."""
    (tmp_path / "work").mkdir()
    activated = tmp_path / "work" / "sentiment" / ".venv"
    found = variables(tmp_path)
    found |= {"VIRTUAL_ENV": str(activated), "PATH": f"{activated / 'bin'}{os.pathsep}{found['PATH']}"}
    found["PIP_CONSTRAINT"] = str(REPOSITORY / "constraints.txt")  # the torch that was tried, not that of the day
    reader = Reader(tmp_path / "work", found, {"install": nothing, "torchserve": nothing})
    try:
        for title in NATIVE:
            check(title, reader.read(title))
    finally:
        reader.stop()
    assert not (tmp_path / "bin" / "mardock").exists()
