"""docs/tutorial.md, done as it says by somebody who has of mardock a wheel alone: each test is its next section."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.projects import REPOSITORY
from tests.support.tutorial import IN_DOCKER, Reader, nothing, own_environment, sections, variables

NATIVE = [title for title in sections() if title != IN_DOCKER]


@pytest.fixture(scope="module")
def reader(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader with a tool of its own for mardock; the project's environment has what is installed here."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "work").mkdir()
    otherwise = {"environment": own_environment, "one environment": nothing}
    found = Reader(folder / "work", variables(folder), otherwise)
    yield found
    found.stop()


@pytest.mark.parametrize("title", NATIVE)
def test_the_section_is_true(reader: Reader, title: str) -> None:
    check(title, reader.read(title))


def check(title: str, printed: dict[str, str]) -> None:
    """Hold what a section says in words about what its commands print."""
    if title == "Serve it":
        answers = [word for word in printed["predict"].split() if word.endswith("tive")]
        assert answers == ["positive", "negative", "negative"]
    if title == "From Python":
        assert '"positive": 0.9' in printed["ask"]
        assert '"negative": 0.9' in printed["ask"]
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
