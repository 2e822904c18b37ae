"""Archiving as a job: what it leaves and returns."""

from __future__ import annotations

import dataclasses
import json

import pytest
from tests.support.listeners import Heard

from mardock.errors import ArchiveError, ConfigError
from mardock.settings.project import Project
from mardock.tasks.archive import Archived, archive, every, preview
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


def test_a_preview_writes_nothing_and_names_what_is_left_out(project: Project) -> None:
    folder = project.root / "torchserve" / "doubler"
    (folder / "handler.py~").touch()
    file = project.root / "mardock.toml"
    file.write_text(file.read_text() + 'extra_files = ["torchserve/doubler"]\n')
    found = preview(project, "doubler", version="2.0")
    assert ([one.name for one in found.members], found.spec.version) == (["handler.py"], "2.0")
    assert [tuple(one) for one in found.ignored] == [("torchserve/doubler/handler.py~", "built in: *~")]
    assert list(project.model_store.iterdir()) == []


def test_a_package_that_only_this_machine_has_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "src" / "told_lib").mkdir(parents=True)
    (project.root / "src" / "told_lib" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(project.root / "src"))
    handler = project.root / "torchserve" / "doubler" / "handler.py"
    handler.write_text("import told_lib\n" + handler.read_text())
    heard = Heard()
    archive(project, "doubler", listener=heard)
    (warning,) = heard.warnings
    assert "torchserve/doubler/handler.py:1: told_lib is found in src/told_lib, on this machine alone" in warning
    assert 'code = ["src/told_lib"] in [models.doubler.archive]' in warning


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
