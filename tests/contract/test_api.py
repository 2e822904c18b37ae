"""`from mardock import Project`: the whole way of a model from Python, and the fixture for its owner's tests."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from tests.support.command import environment

import mardock
from mardock.errors import ConfigError, EngineNotRunningError, ModelNotFoundError, ServingError
from mardock.settings.project import Project as Root

TOML = """
[models.doubler.archive]
handler = "doubler.py"
"""
DOUBLER = """
def handle(data, context):
    return [answer(row["body"]) for row in data or ()]


def answer(body):
    if isinstance(body, dict):
        return {"twice": 2 * body["number"]}
    return str(2 * int(bytes(body)))
"""
OWNERS_TEST = """
def test_it_doubles(mardock_served):
    model = mardock_served("doubler")
    assert model.predict(b"21").text == "42"
    assert mardock_served("doubler") is model
    assert mardock_served() is model


def test_json(mardock_served):
    assert mardock_served().predict({"number": 4}).json() == {"twice": 8}
"""


@pytest.fixture
def project(project: Root) -> mardock.Project:
    (project.root / "mardock.toml").write_text(TOML)
    (project.root / "doubler.py").write_text(DOUBLER)
    (project.root / "21").write_text("21")
    return mardock.Project(project.root / "src")  # found from below


def test_the_whole_way_of_a_model(project: mardock.Project, capfd: pytest.CaptureFixture[str]) -> None:
    assert project.models == ("doubler",)
    assert not project.status().running
    with pytest.raises(EngineNotRunningError):
        project.predict("doubler", b"1")

    written = project.archive()
    assert (written.name, written.version, written.changed) == ("doubler", "1.0", True)
    assert not project.archive("doubler").changed

    assert project.up().inference_url.startswith("http://127.0.0.1:")
    assert project.register("doubler").outcome == "unchanged"
    assert project.predict("doubler", b"21").text == "42"
    assert project.predict("doubler", "21").json() == 42
    assert project.predict("doubler", project.folder / "21").body == b"42"
    assert project.predict("doubler", {"number": 3}).json() == {"twice": 6}

    with pytest.raises(ServingError) as raised:
        project.predict("doubler", b"no number")
    assert "doubler.py" in (raised.value.details or "") + raised.value.message
    with pytest.raises(ModelNotFoundError):
        project.predict("dubler", b"1")

    assert project.scale("doubler", 2).ready_workers == 2
    (model,) = project.status().models
    assert (model.name, model.ready, model.ready_workers) == ("doubler", True, 2)
    assert project.unregister("doubler")
    assert project.status().models == ()
    assert project.down()
    assert not project.down()
    assert capfd.readouterr() == ("", "")


def test_a_context_ends_what_it_started_and_nothing_else(project: mardock.Project) -> None:
    with project.serving() as model:
        assert model.predict(b"2").text == "4"
    assert not project.status().running
    project.up()
    with project.serving("doubler") as model:
        assert model.predict(b"3").text == "6"
    assert project.status().running


def test_without_a_project_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no mardock\.toml"):
        mardock.Project(tmp_path)


@pytest.mark.parametrize("ran", [False, True])
def test_its_owners_tests_are_served_a_model(project: mardock.Project, ran: bool) -> None:
    known = {entry.value for entry in metadata.distribution("mardock").entry_points if entry.group == "pytest11"}
    loaded = "" if known else 'pytest_plugins = ["mardock.pytest_plugin"]'  # installed before there was one
    (project.folder / "test_doubler.py").write_text(OWNERS_TEST)
    (project.folder / "conftest.py").write_text(loaded)
    if ran:
        project.up()
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_doubler.py"]
    done = subprocess.run(argv, cwd=project.folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert project.status().running is ran
