"""The part of docs/tutorial.md that is in Docker, in the project its other parts make."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.test_tutorial import IN_DOCKER, own_environment, variables
from tests.docker.conftest import ROOT, dev_image
from tests.support.images import unique_name
from tests.support.tutorial import Reader

UNTIL_THERE = ("The project", "Install mardock", "Make it a project of mardock's", "Change it while it is served")
NATIVE_STEPS = ("scores", "register", "down", "doctor")


@pytest.fixture(scope="module")
def reader(own_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Somebody who has come as far as the part about Docker, without serving natively."""
