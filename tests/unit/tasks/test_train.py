"""Training as a job: what it returns, and what its listener hears."""

from __future__ import annotations

import signal

import pytest
from tests.support.listeners import Heard

from mardock.settings.project import Project
from mardock.tasks.train import train

TRAINED = """
[models.doubler.train]
command = ["sh", "-c", {script!r}]
outputs = ["artifacts/weights"]
"""


def training(project: Project, script: str) -> Project:
    file = project.root / "mardock.toml"
    file.write_text(file.read_text() + TRAINED.format(script=script))
    return project


def test_it_trains_once_and_tells_its_listener(project: Project) -> None:
    training(project, "echo 1 > artifacts/weights")
    first, second = Heard(), Heard()
    assert train(project, "doubler", listener=first) == train(project, "doubler", listener=second) == 0
    assert first.notes == ["training doubler: sh -c echo 1 > artifacts/weights"]
    assert second.notes == ["artifacts/weights: up to date"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_what_the_user_ended_is_no_failure_but_its_exit_code(number: signal.Signals, project: Project) -> None:
    training(project, f"exit {128 + number}")
    assert train(project, "doubler") == 128 + number
