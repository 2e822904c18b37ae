"""The native engine's parts that need no server: what it finds, how it launches, what it leaves, how it reads logs."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import psutil
import pytest

from mardock import extras
from mardock.engines import log_files
from mardock.engines.native import class_archive, installation, launch, lifecycle, preflight
from mardock.engines.native.engine import NativeEngine
from mardock.engines.native.installation import Java, find_java
from mardock.engines.native.state import Home, Server, place
from mardock.engines.threads import Threads
from mardock.errors import ConfigError, EngineError, EngineNotFoundError
from mardock.interpreter import Here, facts
from mardock.settings.project import Project

SERVER = Server(
    pid=1,
    created=2.5,
    inference_url="http://127.0.0.1:1",
    management_url="http://127.0.0.1:2",
    metrics_url="http://127.0.0.1:3",
    grpc_inference_port=4,
    grpc_management_port=5,
    token_auth=False,
    java="java",
    java_version="17",
    jvm_options=[],
    jar="jar",
    torchserve="0.12.0",
    python="/env/bin/python",
    python_version="3.12.1",
    class_archive="archive",
    place=place(),
    threads=Threads(1, 2),
)


def fake_java(home: Path, script: str) -> dict[str, str]:
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"JAVA_HOME": str(home), "PATH": os.environ["PATH"]}


@pytest.mark.parametrize(
    ("printed", "version"), [("17.0.15", "17.0.15"), ("11", "11"), ("25-ea", "25-ea"), ("25.0.2", "25.0.2")]
)
def test_java_home_comes_first(tmp_path: Path, printed: str, version: str) -> None:
    environ = fake_java(tmp_path, f"echo 'openjdk version \"{printed}\"' >&2")
    found = find_java(environ, Here())
    assert (found.program, found.version) == (tmp_path / "bin" / "java", version)


@pytest.mark.parametrize("printed", ["1.8.0_402", "10.0.2"])
def test_a_java_too_old_is_refused_with_its_version(tmp_path: Path, printed: str) -> None:
    environ = fake_java(tmp_path, f"echo 'java version \"{printed}\"' >&2")
    with pytest.raises(EngineNotFoundError, match=f"Java 11 or newer; JAVA_HOME .* has {printed}"):
        find_java(environ, Here())


@pytest.mark.parametrize("script", ["exit 127", "echo hello"])
def test_a_java_that_does_not_run_is_refused(tmp_path: Path, script: str) -> None:
    with pytest.raises(EngineNotFoundError, match="does not run"):
        find_java(fake_java(tmp_path, script), Here())


def test_a_java_home_that_points_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineNotFoundError, match="where there is no bin/java"):
        find_java({"JAVA_HOME": str(tmp_path)}, Here())


def test_without_any_java_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "where", lambda module: None)
    with pytest.raises(EngineNotFoundError) as refused:
        find_java({"PATH": str(tmp_path)}, Here())
    assert str(refused.value.hint).startswith(extras.how_to_add("native"))


def test_torchserve_is_found_where_it_would_be_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in ("ts", "torch"):
        monkeypatch.delitem(sys.modules, name, raising=False)  # another test may have imported it
    with pytest.raises(EngineNotFoundError, match="not installed"):
        installation.find_torchserve(Here())
    (tmp_path / "ts" / "frontend").mkdir(parents=True)
    (tmp_path / "ts" / "__init__.py").write_text("raise AssertionError('imported')")
    (tmp_path / "ts" / "version.txt").write_text("0.12.0\n")
    (tmp_path / "ts" / "frontend" / "model-server.jar").touch()
    with pytest.raises(EngineNotFoundError, match="without torch"):
        installation.find_torchserve(Here())
    (tmp_path / "torch").mkdir()
    found = installation.find_torchserve(Here())
    assert (found.home, found.version) == (tmp_path, "0.12.0")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "mardock.toml").touch()
    (tmp_path / "torchserve").mkdir()
    (tmp_path / "torchserve" / "config.properties").write_text(
        "inference_address=http://0.0.0.0:8080\nmodel_store=/home/model-server/model-store\njob_queue_size=7\n"
        "disable_token_authorization=true\n"
    )
    return Project(tmp_path, inference_port=1234, token_auth=True)


def test_the_projects_configuration_is_kept_but_for_what_is_native(project: Project) -> None:
    config = launch.configuration(project, {})
    assert config["inference_address"] == "http://127.0.0.1:1234"
    assert config["model_store"] == str(project.model_store)
    assert config["job_queue_size"] == "7"
    assert config["disable_token_authorization"] == "false"


def test_the_environment_is_the_callers_without_what_wins_over_the_configuration(project: Project) -> None:
    home = Home(project.state)
    environ = {"PYTHONPATH": "/p", "TS_CONFIG_FILE": "/x", "TEMP": "/shared", "LANG": "C", "PATH": "/bin"}
    found = launch.environment(project, home, environ, Path("/env/bin/python"))
    assert "TS_CONFIG_FILE" not in found
    assert (found["PYTHONPATH"], found["TEMP"], found["LC_ALL"]) == ("/p", str(home.temp), "C.UTF-8")
    assert found["PATH"].split(os.pathsep)[0] == "/env/bin"
    assert "LC_ALL" not in launch.environment(project, home, {"LANG": "en_US.UTF-8"}, Path("/env/bin/python"))


def test_the_users_garbage_collector_replaces_ours() -> None:
    assert "-XX:+UseSerialGC" in launch.jvm_options({})
    assert launch.jvm_options({"vmargs": "-XX:+UseG1GC"}) == ["-XX:+UseG1GC"]


def test_the_archive_is_keyed_by_java_and_jar(tmp_path: Path) -> None:
    jar = tmp_path / "x.jar"
    jar.write_bytes(b"1")
    java = Java(Path("java"), "17", "build 1")
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    first = class_archive.archive_path(java, jar, [], environ)
    assert first == class_archive.archive_path(java, jar, [], environ)
    assert first.parent == tmp_path / "mardock"
    assert first != class_archive.archive_path(Java(Path("java"), "17", "build 2"), jar, [], environ)
    assert first != class_archive.archive_path(java, jar, ["-XX:+UseG1GC"], environ)
    jar.write_bytes(b"22")
    assert first != class_archive.archive_path(java, jar, [], environ)


def test_a_failed_archive_is_noted_and_not_tried_again(tmp_path: Path) -> None:
    archive, classes = tmp_path / "cache" / "a.jsa", tmp_path / "classes.lst"
    classes.write_text("A\n")
    java = fake_java(tmp_path, "echo no >&2; exit 1")["JAVA_HOME"]
    assert class_archive.start_options(archive, classes) == [f"-XX:DumpLoadedClassList={classes}"]
    assert class_archive.make(Path(java, "bin", "java"), tmp_path / "jar", [], classes, archive) == "no\n"
    assert [path.name for path in archive.parent.iterdir()] == ["a.failed"]
    assert class_archive.start_options(archive, classes) == []


def test_what_was_recorded_is_read_back_and_rubbish_is_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.read() is None
    home.make()
    home.write(SERVER)
    assert home.read() == SERVER
    for rubbish in ("", "[]", "{}", '{"pid": 1}'):
        (home.path / "server.json").write_text(rubbish)
        assert home.read() is None


def test_a_server_of_another_machine_or_container_is_neither_told_of_nor_touched(project: Project) -> None:
    home = Home(project.state)
    home.make()
    (home.temp / ".ts.sock.9000").touch()
    home.write(dataclasses.replace(SERVER, pid=os.getpid(), created=psutil.Process().create_time(), place="elsewhere"))
    before = sorted(home.path.rglob("*"))
    engine = NativeEngine(project)
    engine.sweep()
    engine.down()
    assert not engine.status().running
    assert sorted(home.path.rglob("*")) == before
    with pytest.raises(EngineError, match="started by another machine or container"):
        engine.up(timeout=1)


def test_a_dead_server_of_this_machine_is_swept(project: Project) -> None:
    home = Home(project.state)
    home.make()
    home.write(dataclasses.replace(SERVER, pid=os.getpid(), created=0.0))
    NativeEngine(project).sweep()
    assert not (home.path / "server.json").exists()


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o644, True)])
def test_the_key_file_is_made_private(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, *, warned: bool
) -> None:
    home = Home(tmp_path)
    with pytest.raises(EngineError, match=r"cannot read .*key_file"):
        home.keys()
    home.make()
    home.key_file.write_text("{}")
    home.key_file.chmod(mode)
    assert home.keys() == "{}"
    assert home.key_file.stat().st_mode & 0o777 == 0o600
    assert bool(caplog.records) is warned


def test_the_temp_folder_is_short_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    home = Home(tmp_path / ("x" * 100))
    assert home.temp.parent == tmp_path
    home.temp.mkdir(mode=0o755)
    home.make()
    assert home.temp.stat().st_mode & 0o777 == 0o700
    home.clear()
    home.temp.symlink_to(tmp_path)
    with pytest.raises(EngineError, match="not a private folder"):
        home.make()


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    preflight.check_folder(tmp_path / "new" / "folder")
    (tmp_path / "logs").touch()
    with pytest.raises(ConfigError, match="logs is not a folder"):
        preflight.check_folder(tmp_path / "logs")


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert log_files.last_lines(log, 5) == []
    log.write_bytes(b"one\ntwo\r\nth\xffree")
    assert log_files.last_lines(log, 2) == ["two", "th\ufffdree"]
    assert len(log_files.last_lines(log, -1)) == 3
    assert log_files.last_lines(log, 0) == []
    assert log_files.lines_from(log, 4) == ["two", "th\ufffdree"]


def test_following_survives_a_rotation_and_half_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\nbegun")

    def rotate() -> None:
        add("last of the first\n")
        log.rename(tmp_path / "log.1")
        log.write_text("new\n")

    def add(text: str) -> None:
        with log.open("a") as file:
            file.write(text)

    steps: Iterator[Callable[[], None]] = iter([lambda: add(" and ended\n"), rotate, lambda: None])

    def running() -> bool:
        step = next(steps, None)
        if step:
            step()
        return step is not None

    assert list(log_files.follow(log, 10, running)) == ["old", "begun and ended", "last of the first", "new"]


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        ([], "it logged nothing"),
        (["Unrecognized VM option 'X'", "Error: Could not create the VM."], "Unrecognized VM option 'X'"),
        (["IllegalStateException: a", "Caused by: java.net.BindException: in use", "\tat x"], "BindException: in use"),
        (['Exception in thread "main" java.lang.OutOfMemoryError', "\tat x"], "OutOfMemoryError"),
    ],
)
def test_the_cause_of_a_failed_start(lines: list[str], cause: str) -> None:
    assert lifecycle._cause(lines) == cause
