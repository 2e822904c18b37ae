"""Watching a model whose TorchServe runs in a container: the host's files, the container's workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

import pytest
from tests.contract.projects import make_project
from tests.contract.watched import Watched
from tests.support.images import unique_name

from mardock.engines.docker.engine import DockerEngine
from mardock.settings.project import Project


@pytest.fixture(scope="module")
def served(torchserve_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, DockerEngine]]:
    root = tmp_path_factory.mktemp("watch") / unique_name()
    project = make_project(root, engine="docker")
    with (root / ".env").open("a") as file:
        file.write(f"TORCHSERVE_IMAGE={torchserve_image}\n")
    engine = DockerEngine(project)
    engine.up(timeout=120)
    yield project, engine
    engine.down()


@pytest.fixture
def make(served: tuple[Project, DockerEngine]) -> Iterator[Callable[[str], Watched]]:
    made: list[Watched] = []

    def model(name: str) -> Watched:
        made.append(Watched(*served, name))
        return made[-1]

    yield model
    for watched in made:
        watched.close()


def test_saves_are_served_and_a_broken_one_is_refused_with_the_users_own_line(make: Callable[[str], Watched]) -> None:
    model = make("saved")
    model.start()
    assert model.answer() == "first"
    model.save(initialize="raise KeyError('no')")
    model.hear("1.0-w0001 goes on serving")
    assert "torchserve/saved/handler.py:6 in initialize" in model.everything_said()
    assert model.answer() == "first"
    model.save("'mended'")
    model.hear("serves with handler.py")
    assert model.answer() == "mended"


def test_instant_swaps_code_in_the_containers_worker(make: Callable[[str], Watched]) -> None:
    model = make("instant")
    model.start("--instant")
    assert model.answer() == "first"
    model.save("'swapped'")
    model.hear("serves with handler.py")
    assert model.answer() == "swapped"
