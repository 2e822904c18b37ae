"""Breakpoints in the project's files stop the handler that a real TorchServe serves, natively and in a container."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import psutil
import pytest
from tests.contract.dap import DebugClient
from tests.contract.projects import make_project
from tests.support.images import KINDS, image, unique_name
from tests.support.ports import free_ports

from mardock import serving
from mardock.archive.build import build
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.client.readiness import wait_until_ready
from mardock.debugging import Debugged, Session, launch_json
from mardock.engines import select
from mardock.engines.base import Engine
from mardock.engines.docker import tunnel
from mardock.engines.docker.daemon import sdk
from mardock.errors import (
    ArchiveError,
    ConfigError,
    EngineError,
    EngineNotRunningError,
    ModelNotFoundError,
    WorkerFailedError,
)
from mardock.listener import SILENT
from mardock.serving import Servable, Server, served_model
from mardock.settings.project import Project

HANDLER = """
from greeting import greet


class Handler:
    def initialize(self, context):
        self.greeting = "hello"

    def handle(self, data, context):
        name = bytes(data[0]["body"]).decode()
        return [greet(self.greeting, name)]
"""
GREETING = """
def greet(greeting, name):
    sentence = f"{greeting} {name}"
    return sentence
"""
SETTINGS = """
[models.greeter.archive]
handler = "torchserve/greeter/handler.py"
extra_files = ["src/greeting.py"]
config_file = "torchserve/greeter/model-config.yaml"
"""
CONFIG = "minWorkers: 2\nmaxWorkers: 2\nresponseTimeout: 30\ngreeting: hello\n"
MARDOCK = (sys.executable, "-m", "mardock")
TIMEOUT_S = 120.0


@dataclass
class Bench:
    """A project whose server runs and serves `greeter` 1.0 with two workers."""

    project: Project
    engine: Engine
    pool: ThreadPoolExecutor = field(default_factory=ThreadPoolExecutor)

    @property
    def handler(self) -> Path:
        return self.project.root / "torchserve" / "greeter" / "handler.py"

    @property
    def greeting(self) -> Path:
        return self.project.root / "src" / "greeting.py"

    def session(self) -> Session:
        _, settings = self.project.settings.model("greeter")
        return Session(self.project, settings, self.engine)

    def attach(self, debugged: Debugged, *breakpoints: tuple[Path, str]) -> DebugClient:
        """Attach as VS Code does with what launch.json says; a breakpoint is a file and the text of its line."""
        client = DebugClient(debugged.port)
        wanted = launch_json.configuration(debugged.model, debugged.port, debugged.remote_root)
        local = {**wanted["pathMappings"][0], "localRoot": str(self.project.root)}
        lines = {path: [line_of(path, text)] for path, text in breakpoints}
        verified = client.attach({**wanted, "pathMappings": [local]}, lines)
        assert verified == [True] * len(breakpoints)
        return client

    def predict(self, name: str) -> Future[bytes]:
        def call() -> bytes:
            with InferenceClient(self.engine.endpoint()) as client:
                return client.predict("greeter", name.encode(), timeout=TIMEOUT_S).body

        return self.pool.submit(call)

    def served(self) -> list[ModelStatus]:
        with ManagementClient(self.engine.endpoint()) as client:
            return client.describe("greeter")

    def started(self, process: psutil.Process) -> bool:
        """Whether a process is one of this project's server, or of its container."""
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            if self.engine.name == "native":
                return str(self.project.root) in " ".join(process.cmdline())
            with sdk() as client:
                container = client.containers.get(self.engine.status().details["container"])
            return str(container.id) in Path(f"/proc/{process.pid}/cgroup").read_text()
        return False  # it has ended

    def left(self) -> list[Path]:
        return list(self.project.model_store.glob(".*-debug"))


@pytest.fixture(scope="module", params=["native", *KINDS])
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, require: Callable[[str, str], Any]
) -> Iterator[Bench]:
    if request.param == "native":
        request.getfixturevalue("native")
        overrides = {"engine": "native"}
    else:
        overrides = {"engine": "docker", "torchserve_image": image(request.param, require)}
    made = start(tmp_path_factory.mktemp(request.param) / unique_name(), overrides)
    try:
        yield made
    finally:
        made.engine.down()


def start(root: Path, overrides: dict[str, Any]) -> Bench:
    project = make_project(root, **overrides)
    (root / "mardock.toml").write_text(SETTINGS)
    bench = Bench(project, select.create(project, SILENT))
    bench.handler.parent.mkdir()
    bench.handler.write_text(HANDLER)
    bench.handler.with_name("model-config.yaml").write_text(CONFIG)
    bench.greeting.write_text(GREETING)
    endpoint = bench.engine.up(timeout=TIMEOUT_S)
    spec = project.settings.models["greeter"].archive
    archive = build(spec, root, project.model_store).archive
    serving.register(Server(endpoint, bench.engine), Servable(archive.path))
    return bench


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def debuggers(bench: Bench) -> list[psutil.Process]:
    """Find what debugging started of a project, in its container too: debugpy's adapter, and what carries a tunnel."""
    marks = (".greeter-debug", tunnel.BRIDGE)
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if any(mark in " ".join(one.info["cmdline"] or ()) for mark in marks) and bench.started(one)
    ]


def ignore(debugged: Debugged) -> None:
    """Nobody attaches as soon as that is possible."""


@pytest.fixture
def untouched(bench: Bench) -> Iterator[None]:
    """After the test the model is served as before it, by the same processes, and nothing else is left."""

    def state() -> list[Any]:
        return [
            (one.version, one.url, one.min_workers, one.response_timeout_s, [worker.pid for worker in one.workers])
            for one in bench.served()
        ]

    before = state()
    assert len(before) == 1
    yield
    assert state() == before
    assert bench.left() == []
    assert psutil.wait_procs(debuggers(bench), timeout=TIMEOUT_S)[1] == []
    assert bench.predict("after").result(TIMEOUT_S) == b"hello after"


@pytest.mark.usefixtures("untouched")
def test_a_breakpoint_in_the_projects_files_stops_the_served_handler(bench: Bench) -> None:
    with bench.session().run(0, wait=False, listening=ignore) as debugged:
        (version,) = [one for one in bench.served() if one.version == "1.0-debug"]
        assert (version.ready_workers, version.max_workers) == (1, 1)
        assert version.response_timeout_s == 24 * 60 * 60
        breakpoints = (bench.handler, "return [greet"), (bench.greeting, "return sentence")
        with bench.attach(debugged, *breakpoints) as debugger:
            answer = bench.predict("Ada")
            for path, text in breakpoints:
                thread = debugger.stopped()
                frame = debugger.frame(thread)
                assert (frame["source"]["path"], frame["line"]) == (str(path), line_of(path, text))
                assert debugger.local_variables(frame)["name"] == "'Ada'"
                assert not answer.done()
                debugger.resume(thread)
            assert answer.result(TIMEOUT_S) == b"hello Ada"
        assert bench.predict("Bob").result(TIMEOUT_S) == b"hello Bob"


@pytest.mark.usefixtures("untouched")
def test_a_debugger_may_come_back(bench: Bench) -> None:
    with bench.session().run(0, wait=False, listening=ignore) as debugged:
        for name in ("Ada", "Bob"):
            with bench.attach(debugged, (bench.handler, "return [greet")) as debugger:
                answer = bench.predict(name)
                debugger.resume(debugger.stopped())
                assert answer.result(TIMEOUT_S) == f"hello {name}".encode()


@pytest.mark.usefixtures("untouched")
def test_waiting_for_the_debugger_stops_in_initialize(bench: Bench) -> None:
    def stop(debugged: Debugged) -> str:
        with bench.attach(debugged, (bench.handler, "self.greeting =")) as debugger:
            thread = debugger.stopped()
            frame = debugger.frame(thread)
            debugger.resume(thread)
            return str(frame["name"])

    stopped: list[Future[str]] = []
    with bench.session().run(
        0, wait=True, listening=lambda debugged: stopped.append(bench.pool.submit(stop, debugged))
    ):
        assert stopped[0].result(TIMEOUT_S).endswith("initialize")


@pytest.mark.usefixtures("untouched")
def test_ending_while_paused_lets_the_request_be_answered(bench: Bench) -> None:
    with bench.session().run(0, wait=False, listening=ignore) as debugged:
        debugger = bench.attach(debugged, (bench.handler, "return [greet"))
        answer = bench.predict("Ada")
        debugger.stopped()
    assert answer.result(TIMEOUT_S) == b"hello Ada"
    debugger.close()


@pytest.mark.usefixtures("untouched")
def test_ending_before_a_debugger_came(bench: Bench) -> None:
    def interrupt(debugged: Debugged) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), bench.session().run(0, wait=True, listening=interrupt):
        pytest.fail("it never loads")


@pytest.mark.usefixtures("untouched")
def test_a_second_session_is_refused(bench: Bench) -> None:
    first, second = bench.session(), bench.session()
    with first.run(0, wait=False, listening=ignore):  # noqa: SIM117 - the order is what is tested
        with pytest.raises(ConfigError, match=rf"debugged already, by pid {os.getpid()}"):
            second.run(0, wait=False, listening=ignore).__enter__()


@pytest.mark.usefixtures("untouched")
def test_what_a_killed_session_left_is_swept_away(bench: Bench) -> None:
    argv = [*MARDOCK, "-C", str(bench.project.root), "debug", "--port", str(free_ports(1)[0])]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environment(bench)) as killed:
        assert killed.stderr is not None
        assert any("is served by 1.0-debug" in line for line in killed.stderr)
        killed.kill()
    assert bench.left() != []
    assert bench.predict("Ada").result(TIMEOUT_S) == b"hello Ada"
    with bench.session().run(0, wait=False, listening=ignore):
        assert [one.version for one in bench.served()] == ["1.0", "1.0-debug"]


@pytest.mark.usefixtures("untouched")
def test_a_debugger_may_attach_however_quickly_the_model_loads(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    port, told, ready = Session._port, list[Debugged](), list[ModelStatus]()

    def wait(*arguments: Any, **options: Any) -> ModelStatus:
        ready.append(wait_until_ready(*arguments, **options))
        return ready[0]

    # It listened, and was READY, after the last time anybody looked where.
    monkeypatch.setattr(served_model, "wait_until_ready", wait)
    monkeypatch.setattr(Session, "_port", lambda self: port(self) if ready else None)
    with bench.session().run(0, wait=False, listening=told.append) as debugged:
        assert told == [debugged]


@pytest.mark.usefixtures("untouched")
def test_the_command_ends_with_ctrl_c_and_writes_launch_json(bench: Bench) -> None:
    port = free_ports(1)[0]
    argv = [*MARDOCK, "-C", str(bench.project.root), "debug", "--port", str(port), "--vscode"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environment(bench)) as command:
        assert command.stderr is not None
        assert any("is served by 1.0-debug" in line for line in command.stderr)
        command.send_signal(signal.SIGINT)
        assert command.wait(TIMEOUT_S) == 130
    assert f'"port": {port}' in (bench.project.root / ".vscode" / "launch.json").read_text()


@pytest.mark.usefixtures("untouched")
def test_a_taken_port_is_named_with_its_holder(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EngineError, match=rf"port {port} is taken by .*\(pid {os.getpid()}\)"):
            bench.session().run(port, wait=False, listening=ignore).__enter__()


@pytest.mark.usefixtures("untouched")
def test_a_handler_that_cannot_be_parsed(bench: Bench) -> None:
    bench.handler.write_text("def broken(:\n")
    try:
        with pytest.raises(ArchiveError, match=r"torchserve/greeter/handler\.py:1"):
            bench.session().run(0, wait=False, listening=ignore).__enter__()
    finally:
        bench.handler.write_text(HANDLER)


@pytest.mark.usefixtures("untouched")
def test_a_handler_that_does_not_load_is_told_with_its_own_line(bench: Bench) -> None:
    bench.handler.write_text(HANDLER.replace('self.greeting = "hello"', "raise ValueError('no greeting')"))
    try:
        with pytest.raises(WorkerFailedError, match="ValueError: no greeting") as failed:
            bench.session().run(0, wait=False, listening=ignore).__enter__()
        assert str(failed.value.details).startswith("torchserve/greeter/handler.py:7 in initialize")
    finally:
        bench.handler.write_text(HANDLER)


def test_a_model_that_is_not_registered(bench: Bench) -> None:
    with ManagementClient(bench.engine.endpoint()) as client:
        client.unregister("greeter")
    archive = bench.project.model_store / "greeter.mar"
    try:
        with pytest.raises(ModelNotFoundError) as missing:
            bench.session().run(0, wait=False, listening=ignore).__enter__()
        assert missing.value.hint == "mardock register greeter"
    finally:
        serving.register(Server(bench.engine.endpoint(), bench.engine), Servable(archive))
    assert bench.left() == []


def test_a_server_that_goes_down_meanwhile_ends_the_session(native: None, tmp_path: Path) -> None:
    bench = start(tmp_path / "project", {"engine": "native"})
    try:
        session = bench.session()
        with session.run(0, wait=False, listening=ignore) as debugged:
            bench.engine.down()
            with pytest.raises(EngineNotRunningError, match="TorchServe ended while greeter was debugged"):
                session.watch(debugged)
        assert bench.left() == []
        assert debuggers(bench) == []
    finally:
        bench.engine.down()


def environment(bench: Bench) -> dict[str, str]:
    machine = bench.project.settings.machine
    return {**os.environ, "MARDOCK_ENGINE": machine.engine, "TORCHSERVE_IMAGE": machine.torchserve_image}
