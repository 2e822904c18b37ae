"""Trying a model as a job: a failure is a value until somebody wants it raised."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Optional

import pytest
from tests.support.listeners import Heard

from mardock.errors import ConfigError, ServingError, WorkerFailedError
from mardock.handler import trial
from mardock.settings.project import Project
from mardock.tasks.requests import STDIN, Given
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


def test_a_form_is_one_request_that_is_kept_by_its_fields(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = project.root / "torchserve" / "doubler" / "handler.py"
    handler.write_text(
        "def handle(data, context):\n    return [float(row['n']) + len(row['f']) for row in data or ()]\n"
    )
    monkeypatch.chdir(project.root / "torchserve")
    with begin() as child:
        found = try_model(child, project, "doubler", Given(form=["n=40", "f=@../sample.txt;type=text/plain"]))
    assert list(found.requests) == ["n=40 f=@sample.txt;type=text/plain"]
    assert [run.replies[0].body for run in found.trial.singles] == [b"42.0"]
    found.keep(golden_file(project, "doubler"))
    tried(project, against_golden=True).check()
    (project.root / "sample.txt").write_text("210")
    with pytest.raises(ServingError, match="does not give the expected answers"):
        tried(project, against_golden=True).check()


@pytest.mark.parametrize(("files", "content_type"), [([Path("sample.txt")], None), ([], "text/plain")])
def test_a_form_goes_alone(project: Project, files: list[Path], content_type: Optional[str]) -> None:
    with (
        begin() as child,
        pytest.raises(ConfigError, match=r"in more than one way|a form has a content type of its own"),
    ):
        try_model(child, project, "doubler", Given(files, ["a=1"], content_type=content_type))


@pytest.mark.parametrize(
    ("content_type", "config", "told"),
    [
        (None, "max_request_size=1", "it has 2 bytes, max_request_size is 1"),
        ("application/x-www-form-urlencoded", "", "a field of the form has no name"),
        ("multipart/form-data; boundary=", "", "an empty boundary"),
    ],
)
def test_what_torchserve_would_refuse_reaches_no_handler(
    project: Project, content_type: Optional[str], config: str, told: str
) -> None:
    (project.root / "sample.txt").write_text("=1")
    (project.root / "torchserve" / "config.properties").write_text(config)
    with begin() as child, pytest.raises(ServingError, match=told) as refused:
        try_model(child, project, "doubler", Given(content_type=content_type))
    assert refused.value.hint


def test_what_torchserve_would_install_is_there(project: Project) -> None:
    wheel = project.root / "greeting-1.0-py3-none-any.whl"
    about = "greeting-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("greeting.py", "WORD = 'hello'")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    toml = project.root / "mardock.toml"
    toml.write_text(toml.read_text() + 'requirements_file = "requirements.txt"\n')
    (project.root / "requirements.txt").write_text(str(wheel))
    handler = project.root / "torchserve" / "doubler" / "handler.py"
    handler.write_text(
        "import greeting\ndef handle(data, context):\n    return [greeting.WORD for row in data or ()]\n"
    )
    config = project.root / "torchserve" / "config.properties"
    config.write_text("install_py_dep_per_model=false")
    asked = Project(project.root)
    assert "No module named 'greeting'" in str(tried(asked).failure)
    config.write_text("install_py_dep_per_model=true")
    found = tried(asked)
    assert found.failure is None
    assert [run.replies[0].body for run in found.trial.singles] == [b"hello"]
    (project.root / "requirements.txt").write_text("./no-such-package-anywhere")
    with pytest.raises(WorkerFailedError, match="pip could not install") as failed:
        tried(asked)
    assert "no-such-package-anywhere" in str(failed.value.details)


def test_json_and_standard_input_reach_the_handler(project: Project) -> None:
    (project.root / "torchserve/doubler/handler.py").write_text(
        "def handle(data, context):\n    return [str(row['body']) for row in data or ()]\n"
    )
    with begin() as child:
        found = try_model(child, project, "doubler", Given(json_body='{"a": 1}'))
    assert [run.replies[0].body for run in found.trial.singles] == [b"{'a': 1}"]
    with begin() as child:
        found = try_model(child, project, "doubler", Given([STDIN], stdin=lambda: b"21"))
    assert {label: sent.payload.body for label, sent in found.requests.items()} == {"-": b"21"}
    assert [run.replies[0].body for run in found.trial.singles] == [b"bytearray(b'21')"]
