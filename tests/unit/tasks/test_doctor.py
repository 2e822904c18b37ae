"""The doctor's checks: a function and a line each."""

from __future__ import annotations

import pytest

from mardock import place
from mardock.errors import EngineError
from mardock.settings.project import Project
from mardock.tasks import doctor
from mardock.tasks.doctor import Check, Visit, all_checks, check


def test_a_check_is_a_function_and_a_line(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    @check("tide", engine=True)
    def tide(visit: Visit) -> str:
        raise EngineError("it is low", hint="wait")

    @check("boat", needs="tide")
    def boat(visit: Visit) -> str:
        return "it floats"

    @check("oars", needs="python")
    def oars(visit: Visit) -> str:
        return f"of {visit.project.settings.models['doubler'].archive.model_name}"

    monkeypatch.setattr(doctor, "ON_HOST", (tide, boat, oars))
    found = all_checks(project, fix=False)
    assert [one.name for one in found] == ["python", "settings", "artifacts", "logs", "owner", "disk", "tide", "oars"]
    assert found[-2:] == [
        Check("tide", ok=False, finding="it is low", hint="wait", engine=True),
        Check("oars", ok=True, finding="of doubler"),
    ]


def test_in_the_dev_container_others_are_made(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = (check(name)(lambda visit: "here") for name in ("inside", "outside"))
    monkeypatch.setattr(doctor, "IN_DEV_CONTAINER", (inside,))
    monkeypatch.setattr(doctor, "ON_HOST", (outside,))
    assert all_checks(project, fix=False)[-1] == Check("outside", ok=True, finding="here")
    monkeypatch.setenv(place.VARIABLE, "dev")
    assert all_checks(project, fix=False)[-1] == Check("inside", ok=True, finding="here")


def test_without_docker_its_images_are_not_asked_for(project: Project) -> None:
    visit = Visit(project, fix=False, found=[Check("docker engine", ok=False, finding="")])
    assert [one for look in doctor.ON_HOST[2:4] for one in look(visit)] == []


@pytest.mark.parametrize(
    ("config", "serving", "ok", "finding"),
    [
        ("batchSize: 4\n", "", True, "TorchServe takes all that it sets of doubler"),
        (
            "batchSize: 4\n",
            "batch_size = 2\n",
            True,
            "batch_size: mardock.toml:9 says 2, but d.yaml:1 says batchSize: 4, which",
        ),
        ("batchSize: four\n", "", False, "d.yaml:1:12 of model doubler: batchSize must be a whole number"),
        ("", "", False, "d.yaml of model doubler sets nothing"),
    ],
)
def test_each_model_config_is_looked_at(
    project: Project, monkeypatch: pytest.MonkeyPatch, config: str, serving: str, finding: str, *, ok: bool
) -> None:
    toml = project.root / "mardock.toml"
    toml.write_text(f'{toml.read_text()}config_file = "d.yaml"\n[models.doubler.serving]\n{serving}')
    (project.root / "d.yaml").write_text(config)
    monkeypatch.setattr(doctor, "ON_HOST", ())
    (found,) = [one for one in all_checks(project, fix=False) if one.name == "d.yaml"]
    assert (found.ok, found.finding.startswith(finding)) == (ok, True)
    assert ok == (found.hint is None)


def test_fixing_makes_folders(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ON_HOST", ())
    folders = {one.name: one for one in all_checks(project, fix=False)}
    assert (folders["logs"].ok, folders["logs"].hint) == (True, None)  # the command that needs it makes it
    assert "mardock doctor --fix" in folders["logs"].finding
    assert not project.logs.exists()
    assert {one.name for one in all_checks(project, fix=True) if one.ok} >= {"artifacts", "logs"}
    assert project.logs.is_dir()


def test_a_file_in_a_folders_place_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ON_HOST", ())
    project.logs.touch()
    folders = {one.name: one for one in all_checks(project, fix=True)}
    assert (folders["logs"].ok, folders["logs"].hint) == (False, "move the file logs away")
