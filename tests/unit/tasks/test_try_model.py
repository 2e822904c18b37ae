"""Trying a model as a job: a failure is a value until somebody wants it raised."""

from __future__ import annotations

import pytest
from tests.support.listeners import Heard

from mardock.errors import ConfigError, ServingError
from mardock.handler import trial
from mardock.settings.project import Project
from mardock.tasks.trial_verdict import raise_failure, warnings
from mardock.tasks.try_model import Tried, begin, golden_file, try_model


@pytest.fixture(autouse=True)
def torchserve() -> None:
    pytest.importorskip("ts")
    trial.import_torchserve()


def tried(project: Project, *, against_golden: bool = False) -> Tried:
    with begin() as child:
        return try_model(child, project, "doubler", against_golden=against_golden)


def test_its_answers_are_kept_and_held_against_later_ones(project: Project) -> None:
    found = tried(project)
    assert (found.failure, found.interrupted, list(found.requests)) == (None, False, ["sample.txt"])
    assert [run.replies[0].body for run in found.trial.singles] == [b"42.0"]
    assert warnings(project, "doubler", found.trial) == []
    with pytest.raises(ConfigError, match="cannot read"):
        tried(project, against_golden=True)
    found.keep(golden_file(project, "doubler"))
    tried(project, against_golden=True).check()
    handler = project.root / "torchserve" / "doubler" / "handler.py"
    handler.write_text(handler.read_text().replace("2 *", "3 *"))
    with pytest.raises(ServingError, match="does not give the expected answers"):
        tried(project, against_golden=True).check()


def test_what_it_would_fail_with_is_a_value(project: Project) -> None:
    (project.root / "sample.txt").write_text("one")
    found = tried(project)
    assert isinstance(found.failure, ServingError)
    assert found.failure.message.startswith("doubler failed in handle: ")
    with pytest.raises(ServingError):
        raise_failure(found.failure, interrupted=False, listener=Heard())
    heard = Heard()
    with pytest.raises(KeyboardInterrupt):
        raise_failure(found.failure, interrupted=True, listener=heard)
    assert heard.notes == [found.failure.message]
