"""The native engine in trouble: dead and foreign processes, broken starts, two commands at once, tokens."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Callable, Optional

import psutil
import pytest
from tests.contract.projects import add_echo, make_project
from tests.support.full_disk import disk_of

from mardock import serving
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.engines import key_file, select
from mardock.engines.base import alone
from mardock.engines.native import NativeEngine
from mardock.engines.native.state import Home
from mardock.errors import ConfigError, EngineError, EngineNotRunningError, EngineStartError, WorkerFailedError
from mardock.settings.project import Project

TIMEOUT_S = 60.0


def pid_of(engine: NativeEngine) -> int:
    return int(engine.status().details["pid"])


def processes_of(project: Project) -> list[str]:
    """Return the command lines of everything that was started for a project."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if str(project.state) in line or str(Home(project.state).temp) in line:
            found.append(line)
    return found


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def engine(project: Project) -> NativeEngine:
    return NativeEngine(project)


def test_an_archive_there_is_no_room_for(engine: NativeEngine, project: Project) -> None:
    temp = Home(project.state).temp
    temp.mkdir(parents=True)
    url = add_echo(project, "large")
    archive = project.model_store / "large.mar"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (project.model_store / url).rglob("*.*"):
            file.write(path, path.relative_to(project.model_store / url))
        file.writestr("weights.bin", os.urandom(30 << 20))
    with disk_of(20, temp):
        endpoint = engine.up(timeout=TIMEOUT_S)
        with pytest.raises(
            WorkerFailedError, match=r"model large 1\.0 did not start: unpacked it needs 31,45"
        ) as caught:
            serving.register(serving.Server(endpoint, engine), serving.Servable(archive))
        engine.down()
    free = int(caught.value.message.split(f"{temp} has ")[1].split()[0].replace(",", ""))
    assert 18 << 20 < free <= 20 << 20
    assert "df -h" in (caught.value.hint or "")


@pytest.mark.parametrize("fast", [True, False])
def test_a_killed_server_takes_its_busy_worker_with_it(project: Project, *, fast: bool) -> None:
    engine = NativeEngine(Project(project.root, fast_workers=fast))
    endpoint = engine.up(timeout=TIMEOUT_S)
    with ManagementClient(endpoint) as management:
        management.register(add_echo(project), model_name="echo", initial_workers=1)
    with InferenceClient(endpoint) as inference:
        worker = int(inference.predict("echo", b"").body.split()[0])
    asked = socket.create_connection(("127.0.0.1", project.settings.machine.inference_port))
    asked.sendall(b"POST /predictions/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nsleep 3600")
    time.sleep(0.3)  # nothing tells from outside that the worker has begun
    os.kill(pid_of(engine), signal.SIGKILL)
    asked.close()

    until(lambda: not engine.status().running)
    assert select.running(project) is None
    until(lambda: not psutil.pid_exists(worker))
    assert not processes_of(project)
    assert not Home(project.state).temp.exists()


def test_down_ends_a_busy_worker(project: Project, engine: NativeEngine) -> None:
    with ManagementClient(engine.up(timeout=TIMEOUT_S)) as management:
        management.register(add_echo(project), model_name="echo", initial_workers=1)
    asked = socket.create_connection(("127.0.0.1", project.settings.machine.inference_port))
    asked.sendall(b"POST /predictions/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nsleep 3600")
    time.sleep(0.3)
    engine.down()
    asked.close()
    assert not processes_of(project)


def test_a_reused_pid_is_not_ours(project: Project, engine: NativeEngine) -> None:
    engine.up(timeout=TIMEOUT_S)
    home = Home(project.state)
    server = home.read()
    assert server is not None
    engine.down()
    home.make()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        home.write(replace(server, pid=other.pid))
        assert not engine.status().running
        engine.down()
        assert other.poll() is None
    finally:
        other.communicate(b"\n")


def test_two_at_once_start_one_server(project: Project) -> None:
    with ThreadPoolExecutor() as pool:
        ends = list(pool.map(lambda _: NativeEngine(project).up(timeout=TIMEOUT_S), range(2)))
    assert ends[0] == ends[1]
    assert len([line for line in processes_of(project) if "org.pytorch.serve.ModelServer" in line]) == 1


def test_a_waiter_names_who_holds_the_project(project: Project, engine: NativeEngine) -> None:
    with alone(project, timeout=0), pytest.raises(EngineError, match=f"pid {os.getpid()}"):
        engine.up(timeout=0.1)


def test_other_ports_than_those_of_the_running_server_are_refused(project: Project, engine: NativeEngine) -> None:
    engine.up(timeout=TIMEOUT_S)
    other = NativeEngine(Project(project.root, inference_port=1))
    with pytest.raises(EngineError, match="other settings: inference_address") as refused:
        other.up(timeout=TIMEOUT_S)
    assert refused.value.hint == "mardock down && mardock up"


def test_a_taken_port_is_named_with_its_holder(project: Project, engine: NativeEngine) -> None:
    taken = project.settings.machine.metrics_port
    holder = rf"port {taken} is taken by .*pid {os.getpid()}"
    with socket.create_server(("127.0.0.1", taken)), pytest.raises(EngineStartError, match=holder) as refused:
        engine.up(timeout=TIMEOUT_S)
    assert "MARDOCK_METRICS_PORT=" in str(refused.value.hint)
    assert not processes_of(project)


@pytest.mark.parametrize(
    ("line", "cause"),
    [("vmargs=-XX:+NoSuchOption", "Unrecognized VM option 'NoSuchOption'"), ("vmargs=-Xmx2m", "OutOfMemoryError")],
)
def test_a_server_that_dies_while_it_starts_says_why(
    project: Project, engine: NativeEngine, line: str, cause: str
) -> None:
    with (project.root / "torchserve" / "config.properties").open("a") as file:
        file.write(line)
    with pytest.raises(EngineStartError, match=cause) as failed:
        engine.up(timeout=TIMEOUT_S)
    assert cause in str(failed.value.details)
    assert not processes_of(project)
    assert not engine.status().running


def test_a_server_that_is_too_slow_is_stopped(project: Project, engine: NativeEngine) -> None:
    with pytest.raises(EngineStartError, match="did not answer in time"):
        engine.up(timeout=0.2)
    assert not processes_of(project)


def test_ctrl_c_while_it_starts_leaves_nothing(project: Project, engine: NativeEngine) -> None:
    program = (
        "import sys; from pathlib import Path; from mardock.settings.project import Project;"
        "from mardock.engines.native import NativeEngine; NativeEngine(Project(Path(sys.argv[1]))).up(timeout=60)"
    )
    command = subprocess.Popen([sys.executable, "-c", program, str(project.root)], stderr=subprocess.DEVNULL)
    until(lambda: engine.status().running)
    command.send_signal(signal.SIGINT)
    command.wait()
    assert command.returncode != 0
    assert not processes_of(project)
    assert not engine.status().running


@pytest.mark.parametrize("name", ["logs", "artifacts"])
def test_a_folder_that_cannot_be_written_is_named_with_its_owner(
    project: Project, engine: NativeEngine, name: str
) -> None:
    folder = project.root / name
    folder.rmdir()
    folder.symlink_to("/proc/1")  # refused to root as well
    with pytest.raises(ConfigError, match=f"{name}, which belongs to root"):
        engine.up(timeout=TIMEOUT_S)
    folder.unlink()
    folder.write_text("")
    with pytest.raises(ConfigError, match=f"{name} is not a folder"):
        engine.up(timeout=TIMEOUT_S)


def test_a_long_path_of_any_script_serves(native: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.setenv(name, "C")
    project = make_project(tmp_path / ("ein Projekt für 数字 " + "x" * 100))
    engine = NativeEngine(project)
    try:
        endpoint = engine.up(timeout=TIMEOUT_S)
        with ManagementClient(endpoint) as management, InferenceClient(endpoint) as inference:
            management.register(add_echo(project), model_name="echo", initial_workers=1)
            assert inference.predict("echo", b"x").body.endswith(b" x")
        temp = Home(project.state).temp
        assert temp.stat().st_mode & 0o777 == 0o700
    finally:
        engine.down()
    assert not temp.exists()


def test_projects_run_side_by_side(project: Project, engine: NativeEngine, native_server: NativeEngine) -> None:
    engine.up(timeout=TIMEOUT_S)
    engine.down()
    assert native_server.status().running


def test_variables_of_the_shell_do_not_override_the_project(
    project: Project, engine: NativeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TS_CONFIG_FILE", "/nowhere/config.properties")
    monkeypatch.setenv("TS_INFERENCE_ADDRESS", "http://0.0.0.0:1")
    engine.up(timeout=TIMEOUT_S)
    environ = psutil.Process(pid_of(engine)).environ()
    assert not [name for name in environ if name.startswith("TS_")]


def test_models_are_unregistered_where_there_is_no_kill_program(
    project: Project, engine: NativeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with ManagementClient(engine.up(timeout=TIMEOUT_S)) as management:
        management.register(add_echo(project), model_name="echo", initial_workers=1)
        management.unregister("echo")
        assert management.list_models() == []


def test_tokens_are_handed_over_and_renewed(project: Project) -> None:
    engine = NativeEngine(Project(project.root, token_auth=True))
    endpoint = engine.up(timeout=TIMEOUT_S)
    with ManagementClient(endpoint) as management, InferenceClient(endpoint) as inference:
        assert management.list_models() == []
        assert inference.ping() == "Healthy"
    before = endpoint.credentials
    inference_token, management_token = before.inference(), before.management()
    path = Home(project.state).key_file
    keys = json.loads(path.read_text())
    keys["management"]["expiration time"] = "2020-01-01T00:00:00.000000Z"
    path.write_text(json.dumps(keys))
    path.chmod(0o644)

    renewed = engine.endpoint()

    assert renewed.credentials.management() != management_token
    assert renewed.credentials.inference() == inference_token
    assert renewed == endpoint
    assert str(renewed.credentials.management()) not in repr((renewed, renewed.credentials))
    assert path.stat().st_mode & 0o777 == 0o600
    with ManagementClient(renewed) as management:
        assert management.list_models() == []

    path.write_text("{")
    assert engine.status().running
    with pytest.raises(EngineError, match="key file cannot be read"):
        engine.endpoint()


def test_clients_outlive_tokens_that_last_a_minute(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with (project.root / "torchserve" / "config.properties").open("a", encoding="ascii") as properties:
        properties.write("token_expiration_min=1\n")
    monkeypatch.setattr(key_file, "_EARLY", timedelta(minutes=1))  # so that each call finds its token at its end
    engine = NativeEngine(Project(project.root, token_auth=True))
    endpoint = engine.up(timeout=TIMEOUT_S)
    tokens: set[Optional[str]] = set()
    with ManagementClient(endpoint) as management, InferenceClient(endpoint) as inference:
        for _ in range(3):
            assert management.list_models() == []
            assert inference.ping() == "Healthy"
            keys = json.loads(Home(project.state).key_file.read_text())
            tokens |= {keys["inference"]["key"], keys["management"]["key"]}
    assert len(tokens) == 6


def test_following_shows_what_is_logged_later_and_ends_with_the_server(project: Project, engine: NativeEngine) -> None:
    endpoint = engine.up(timeout=TIMEOUT_S)
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(engine.logs(follow=True, tail=0)))
    reader.start()
    with ManagementClient(endpoint) as management:
        management.register(add_echo(project), model_name="echo", initial_workers=1)
    engine.down()
    reader.join(TIMEOUT_S)
    assert not reader.is_alive()
    assert any("echo is initialised" in line for line in seen)


def test_the_class_archive_is_made_once_and_a_broken_one_does_no_harm(
    project: Project, engine: NativeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine.up(timeout=TIMEOUT_S)
    engine.down()
    (archive,) = (tmp_path / "cache" / "mardock").iterdir()

    engine.up(timeout=TIMEOUT_S)
    assert str(archive) in {mapped.path for mapped in psutil.Process(pid_of(engine)).memory_maps()}
    engine.down()

    archive.write_bytes(archive.read_bytes()[:100_000])
    engine.up(timeout=TIMEOUT_S)
    assert engine.status().running


def test_a_command_runs_in_the_project_with_this_python(project: Project, engine: NativeEngine) -> None:
    program = "import os, sys; open('seen', 'w').write(sys.executable); sys.exit(7)"
    assert engine.exec(["python", "-c", program], interactive=False) == 7
    assert (project.root / "seen").read_text() == sys.executable


def test_no_log_means_it_was_never_started(engine: NativeEngine) -> None:
    with pytest.raises(EngineNotRunningError):
        engine.logs(follow=False, tail=10)
