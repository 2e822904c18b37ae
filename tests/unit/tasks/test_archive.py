"""Archiving as a job: what it leaves and returns."""

from __future__ import annotations

import dataclasses
import json

import pytest

from mardock.errors import ArchiveError, ConfigError
from mardock.settings.project import Project
from mardock.tasks.archive import Archived, archive, every
from mardock.tasks.inspect import inspect


def test_the_same_files_are_archived_once(project: Project) -> None:
    first, second = archive(project, "doubler", version="2.0"), archive(project, "doubler", version="2.0")
    assert (first.changed, second.changed, first.sbom) == (True, False, None)
    assert dataclasses.replace(first, changed=False) == second
    assert inspect(first.archive.path).archive.version == "2.0"


def test_its_bill_of_materials_is_beside_it(project: Project) -> None:
    pytest.importorskip("cyclonedx")
    done = archive(project, "doubler", sbom=True)
    assert done.sbom == done.archive.path.with_suffix(".cdx.json")
    assert "handler.py" in [part["name"] for part in json.loads(done.sbom.read_text())["components"]]


def test_what_was_not_compiled_is_not_packed(project: Project) -> None:
    with pytest.raises(ConfigError, match="doubler was not compiled yet"):
        archive(project, "doubler", compiled="script")
    assert list(project.model_store.iterdir()) == []


def test_all_models_are_archived_and_one_failure_stops_no_other(project: Project) -> None:
    toml = project.root / "mardock.toml"
    unfit = '[models.unfit.archive]\nhandler = "torchserve/doubler/handler.py"\nconfig_file = "unfit.yaml"\n'
    toml.write_text(
        '[models.gone.archive]\nhandler = "gone.py"\n' + unfit + toml.read_text().replace('engine = "native"', "")
    )
    (project.root / "unfit.yaml").write_text("threshold: 1\nbatchSize: 4.0\n")
    done = every(project)
    assert list(done) == ["gone", "unfit", "doubler"]
    gone, unfit_one, doubler = done.values()
    assert isinstance(gone, ConfigError)
    assert isinstance(unfit_one, ArchiveError)
    assert unfit_one.message.startswith("unfit.yaml:2:12 of model unfit: batchSize must be a whole number")
    assert isinstance(doubler, Archived)
