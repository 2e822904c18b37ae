"""The part of docs/tutorial.md that is in Docker, in the project its other parts make."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docker.conftest import ROOT, dev_image
from tests.support.images import unique_name
from tests.support.tutorial import IN_DOCKER, Reader, nothing, own_environment, variables

LEFT_OUT = ("one environment", "torchserve", "doctor")


@pytest.fixture
def reader(own_image: str, tmp_path: Path) -> Iterator[Reader]:
    """Somebody who made the project as the page says, and served nothing yet; the image is built already."""
    machine = {name: os.environ[name] for name in ("MARDOCK_BUILD_NETWORK",) if name in os.environ}
    images = {"TORCHSERVE_IMAGE": own_image, "MARDOCK_DEV_IMAGE": dev_image(own_image)}
    names = {"MARDOCK_COMPOSE_PROJECT": unique_name()}
    otherwise = {**dict.fromkeys(LEFT_OUT, nothing), "environment": own_environment, "build": add_certificates}
    (tmp_path / "work").mkdir()
    found = Reader(tmp_path / "work", {**variables(tmp_path), **machine, **images, **names}, otherwise)
    for title in ("The project", "Install mardock", "Make it a project of mardock's"):
        found.read(title)
    found.write("Change it while it is served")
    yield found
    found.stop()


def add_certificates(project: Path) -> None:
    """Give the project what images are built with in closed networks."""
    (project / "wheels").mkdir()
    for certificate in (ROOT / "wheels").glob("*.crt"):
        shutil.copy(certificate, project / "wheels")


def test_the_section_is_true(reader: Reader) -> None:
    printed = reader.read(IN_DOCKER)
    assert '"positive": 0.99' in printed["docker"]
    assert "positive\n" in printed["docker down"]
