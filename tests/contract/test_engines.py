"""What every engine honours, on each engine that answers on this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlsplit

import pytest
from tests.contract.projects import add_echo, make_project
from tests.support.images import KINDS, image, unique_name
from tests.support.waiting import eventually

from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.endpoint import Endpoint
from mardock.engines import select
from mardock.engines.base import Engine
from mardock.engines.native import NativeEngine
from mardock.errors import EngineNotRunningError
from mardock.listener import SILENT
from mardock.settings.project import Project

TIMEOUT_S = 120.0
READER = """
def handle(data, context):
    if data is None:  # TorchServe's question whether it is there
        return None
    path = bytes(data[0]["body"]).decode()
    try:
        with open(path, "rb") as file:
            return [file.read()]
    except FileNotFoundError:
        return [b"nothing is there"]
"""
LISTENER = """
import socket
import threading

server = socket.create_server(("127.0.0.1", 0))


def answer():
    while True:
        peer = server.accept()[0]
        for data in iter(lambda: peer.recv(100), b""):
            peer.sendall(data.upper())
        peer.close()


threading.Thread(target=answer, daemon=True).start()


def handle(data, context):
    return [str(server.getsockname()[1])]
"""


@pytest.fixture(scope="module", params=["native", *KINDS])
def served(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    require: Callable[[str, str], Any],
) -> Iterator[tuple[Project, Endpoint]]:
    """A project whose server was brought up, and what `up` returned; stopped at the end."""
    if request.param == "native":
        request.getfixturevalue("native")
        overrides = {"engine": "native"}
    else:
        overrides = {"engine": "docker", "torchserve_image": image(request.param, require)}
    project = make_project(tmp_path_factory.mktemp(request.param) / f"a {unique_name()}", **overrides)
    move_to_another_disk(project.model_store)
    engine = select.create(project, SILENT)
    try:
        yield project, engine.up(timeout=TIMEOUT_S)
    finally:
        engine.down()


def move_to_another_disk(folder: Path) -> None:
    """Leave a link in a folder's place."""
    disk = folder.rename(folder.parent.parent / "large disk")
    folder.symlink_to(disk)
    if os.getuid() == 0:
        os.chown(disk, 1000, 1000)  # what is behind a link is nothing that root gives to containers by itself


@pytest.fixture
def engine(served: tuple[Project, Endpoint]) -> Engine:
    """The engine as a later command finds it: by looking, with no memory of `up`."""
    root = served[0].root
    found = select.running(Project(root, **served[0].overrides))
    assert found is not None
    return found


def test_up_says_where_a_later_command_finds_it(served: tuple[Project, Endpoint], engine: Engine) -> None:
    assert engine.name == served[0].settings.machine.engine
    assert engine.endpoint() == served[1]
    status = engine.status()
    assert (status.engine, status.running, status.endpoint) == (engine.name, True, served[1])


def test_all_three_apis_answer_once_up_returned(served: tuple[Project, Endpoint]) -> None:
    _, endpoint = served
    for url in (endpoint.inference_url, endpoint.management_url, endpoint.metrics_url):
        parts = urlsplit(url)
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5).close()
    with InferenceClient(endpoint) as client:
        assert client.ping() == "Healthy"


def test_up_again_is_the_same_server(served: tuple[Project, Endpoint], engine: Engine) -> None:
    def details() -> dict[str, str]:
        return {**engine.status().details, "health": "looked at by Docker every few seconds"}

    before = details()
    assert engine.up(timeout=TIMEOUT_S) == served[1]
    assert details() == before


def test_a_model_of_the_store_is_served_and_its_output_logged(served: tuple[Project, Endpoint], engine: Engine) -> None:
    url = add_echo(served[0])
    with ManagementClient(engine.endpoint()) as management, InferenceClient(engine.endpoint()) as inference:
        assert management.register(url, model_name="echo", initial_workers=1).ready
        assert inference.predict("echo", b"hello").body.endswith(b" hello")
        management.unregister("echo")

    def log(tail: int) -> list[str]:
        return list(engine.logs(follow=False, tail=tail))

    def told() -> bool:
        return any("MODEL_LOG" in line and "echo is initialised" in line for line in log(-1))

    eventually(told, lambda: log(-1))
    eventually(lambda: log(3) == log(-1)[-3:], lambda: log(-1))  # a line may come between the two


def test_requests_leave_nothing_in_the_log_but_what_the_handler_says(
    served: tuple[Project, Endpoint], engine: Engine
) -> None:
    url = add_echo(
        served[0], "quiet", 'def handle(data, context):\n    print("said so", flush=True)\n    return ["ok"]\n'
    )
    with ManagementClient(engine.endpoint()) as management, InferenceClient(engine.endpoint()) as inference:
        management.register(url, model_name="quiet", initial_workers=1)
        before = len(list(engine.logs(follow=False, tail=-1)))
        for _ in range(20):
            inference.predict("quiet", b"x")
        lines = list(engine.logs(follow=False, tail=-1))[before:]
        management.unregister("quiet")
    ours = [line for line in lines if "said so" in line]
    assert ours
    assert len(lines) - len(ours) < 10  # metrics of the machine and the like


def test_workers_see_what_the_engine_says_they_see(served: tuple[Project, Endpoint], engine: Engine) -> None:
    root = served[0].root
    url = add_echo(served[0], "reader", READER)
    folders = ("src", "torchserve", "artifacts", "logs", "datasets")
    paths = [root / folder / "a file" for folder in folders]
    for path in paths:
        path.write_text(path.parent.name)
    (root / "src" / "linked").symlink_to(root / "torchserve" / "a file")
    with ManagementClient(engine.endpoint()) as management, InferenceClient(engine.endpoint()) as inference:
        management.register(url, model_name="reader", initial_workers=1)
        for path in (*paths, root / "src" / "linked", root / "src" / "none"):
            seen = engine.sees(path)
            expected = path.read_bytes() if seen and path.exists() else b"nothing is there"
            assert inference.predict("reader", str(seen or path).encode()).body == expected
        management.unregister("reader")
    visible = {path.parent.name for path in paths if engine.sees(path)}
    assert visible == {*folders} - ({"datasets"} if engine.sees(root) is None else set())
    assert engine.sees(root) == (root.resolve() if engine.name == "native" else None)


def test_dialling_reaches_a_port_of_the_servers_own_loopback(served: tuple[Project, Endpoint], engine: Engine) -> None:
    url = add_echo(served[0], "listener", LISTENER)
    with ManagementClient(engine.endpoint()) as management, InferenceClient(engine.endpoint()) as inference:
        management.register(url, model_name="listener", initial_workers=1)
        port = int(inference.predict("listener", b"").body)
        for word in (b"hello", b"again"):
            stream = engine.dial(port)
            stream.sendall(word)
            assert stream.recv(100) == word.upper()
            stream.close()
        management.unregister("listener")

    def said(port: int) -> bytes:
        try:
            stream = engine.dial(port)
        except OSError:
            return b""
        with closing(stream):
            return stream.recv(100)

    assert said(1) == b""


def test_following_begins_with_the_tail(engine: Engine) -> None:
    lines = engine.logs(follow=True, tail=1)
    assert next(iter(lines))


def test_down_leaves_nothing_and_may_be_repeated(served: tuple[Project, Endpoint], engine: Engine) -> None:
    engine.down()
    engine.down()
    assert not engine.status().running
    with pytest.raises(EngineNotRunningError):
        engine.endpoint()
    assert select.running(served[0]) is None
    parts = urlsplit(served[1].inference_url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5)


def test_a_project_that_was_never_started_is_down(tmp_path: Path) -> None:
    native = NativeEngine(make_project(tmp_path / "project"))
    native.down()
    assert not native.status().running
    with pytest.raises(EngineNotRunningError):
        native.logs(follow=False, tail=10)
    assert not (tmp_path / "project" / ".mardock").exists()
