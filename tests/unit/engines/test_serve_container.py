"""The engine of the dev container: what it refuses, what it reads, and that nothing else is looked for in there."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from tests.support.listeners import Heard

from mardock import place
from mardock.engines import select, serve_container
from mardock.engines.serve_container import ServeContainer
from mardock.errors import EngineNotRunningError, OnHostError
from mardock.settings.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project seen from the dev container, where no host is known by any name."""

    def unknown(host: str, port: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, host)

    monkeypatch.setenv(place.VARIABLE, "dev")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (tmp_path / "mardock.toml").touch()
    (tmp_path / "docker-compose.yml").touch()
    return Project(tmp_path)


@pytest.mark.parametrize("engine", ["auto", "docker", "native"])
def test_it_is_the_only_engine_in_there(project: Project, engine: str) -> None:
    heard = Heard()
    chosen = select.create(Project(project.root, engine=engine), heard)
    assert (chosen.name, chosen.torch_is_here, heard.notes) == ("serve", True, [])
    assert [engine.name for engine in select.started(project)] == ["serve"]
    assert not (project.root / ".mardock").exists()


def test_a_server_that_is_not_there_is_started_by_the_host(project: Project) -> None:
    assert select.running(project) is None
    engine = ServeContainer(project)
    assert not engine.status().running
    for ask in (engine.endpoint, lambda: select.needed(project), lambda: engine.logs(follow=False, tail=1)):
        with pytest.raises(EngineNotRunningError) as caught:
            ask()
        assert caught.value.hint == "mardock serve run"


def test_starting_and_stopping_is_refused(project: Project) -> None:
    with pytest.raises(OnHostError):
        ServeContainer(project).up(timeout=1)
    with pytest.raises(OnHostError):
        ServeContainer(project).down()


def test_it_sees_what_the_compose_file_mounts_and_its_loopback_is_its_own(project: Project) -> None:
    engine = ServeContainer(project)
    assert engine.sees(project.root / "src" / "a file.py") == Path("/home/model-server/src/a file.py")
    assert engine.sees(project.model_store / ".m-1") == Path("/home/model-server/model-store/.m-1")
    assert engine.sees(project.root) is None
    with pytest.raises(OnHostError):
        engine.dial(5678)


def test_name_servers_that_do_not_answer_are_not_waited_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: answered.wait())
    monkeypatch.setattr(serve_container, "_PATIENCE_S", 0.01)
    assert not ServeContainer(project).answers()
    answered.set()


def test_search_domains_are_kept_out_of_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: asked.append(host))
    monkeypatch.setattr(serve_container.probe, "answers", lambda endpoint, timeout: True)
    assert ServeContainer(project).answers()
    assert asked == ["serve."]


def test_its_log_is_the_mounted_one_and_following_ends_with_the_server(project: Project) -> None:
    project.logs.mkdir()
    (project.logs / "ts_log.log").write_text("one\ntwo\nthree\n")
    engine = ServeContainer(project)
    assert list(engine.logs(follow=False, tail=2)) == ["two", "three"]
    assert list(engine.logs(follow=True, tail=1)) == ["three"]


def test_commands_run_here_in_the_project_s_folder(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    assert (
        ServeContainer(project).exec(["python", "-c", "import os; print(os.getcwd()); exit(7)"], interactive=False) == 7
    )
    assert capfd.readouterr().out.strip() == str(project.root)
