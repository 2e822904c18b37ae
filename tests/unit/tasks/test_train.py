"""Training as a job: what it returns, and what its listener hears."""

from __future__ import annotations

import os
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


def test_what_editors_leave_beside_its_inputs_is_no_reason_to_train(project: Project) -> None:
    training(project, "echo 1 >> artifacts/weights")
    file, source = project.root / "mardock.toml", project.root / "src"
    file.write_text(file.read_text() + 'inputs = ["src"]\n')
    source.mkdir()
    (source / "net.py").write_text("x = 1")
    assert train(project, "doubler") == 0
    later = (project.root / "artifacts" / "weights").stat().st_mtime + 10
    for name in ("net.py~", ".net.py.swp", ".DS_Store"):
        (source / name).touch()
        os.utime(source / name, (later, later))
    heard = Heard()
    assert train(project, "doubler", listener=heard) == 0
    assert heard.notes == ["artifacts/weights: up to date"]
    os.utime(source / "net.py", (later, later))
    train(project, "doubler")
    assert (project.root / "artifacts" / "weights").read_text() == "1\n1\n"
