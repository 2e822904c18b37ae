"""Whatever is killed, and whenever: the next command finds what it left beside a model, and nothing of it stays."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Callable

import pytest
from tests.contract.projects import make_project
from tests.support.command import MARDOCK, environment, succeed
from tests.support.ports import free_ports
from tests.support.waiting import eventually

from mardock import side_names
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.engines.native import NativeEngine
from mardock.errors import MardockError, ModelNotFoundError

# Loading takes a while and so does a request, so that each moment can be met.
HANDLER = """
import os
import time

class Handler:
    def initialize(self, context):
        time.sleep({loading})
        self.version = context.manifest["model"]["modelVersion"]
        while self.version == "1.0" and os.path.exists("{hold}"):
            time.sleep(0.05)

    def handle(self, data, context):
        bodies = [bytes(row["body"]) for row in data]
        time.sleep(3 if b"slow" in bodies else 0.01)
        return [self.version if b"version" in bodies else b"{answer}"] * len(data)
"""
SETTINGS = """
[models.m]
sample = "body"
[models.m.archive]
handler = "handler.py"
[models.m.serving]
initial_workers = {workers}
"""


class Left:
    """One served model, and what a command that was killed left of it.

    Args:
        engine: runs the server of the model's project.
    """

    def __init__(self, engine: NativeEngine) -> None:
        self.engine = engine
        self.root = engine._project.root
        self.store = engine._project.model_store
        self.hold = self.root / "hold"

    def begin(self) -> None:
        """Have version 1.0 served by its archive, and nothing else."""
        self.save("first")
        succeed(self.root, "archive", "m")
        succeed(self.root, "register", "m", "--replace", "--drain", "0")
        assert (self.versions(), self.default(), self.folders()) == (["1.0"], "1.0", [])

    def save(self, answer: str) -> None:
        loading = "3" if answer == "second" else "0.5"  # what replaces is away for as long
        text = HANDLER.replace("{answer}", answer).replace("{loading}", loading).replace("{hold}", str(self.hold))
        (self.root / "handler.py").write_text(text)

    def kill(self, command: tuple[str, ...], moment: Callable[[Left], bool]) -> None:
        """Kill a command at a moment; one that ends before it is a fault.

        What replaces the model waits for that, however busy the machine is.
        """
        if moment is replacing:
            self.hold.touch()
        argv = [*MARDOCK, *command]
        with subprocess.Popen(
            argv, cwd=self.root, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                eventually(lambda: moment(self) or process.poll() is not None, lambda: f"{command}: {self.versions()}")
                assert process.poll() is None, f"{command} had ended"
            finally:
                process.kill()
                self.hold.unlink(missing_ok=True)

    def statuses(self) -> list[ModelStatus]:
        with ManagementClient(self.engine.endpoint()) as client:
            try:
                return client.describe("m")
            except ModelNotFoundError:
                return []

    def versions(self) -> list[str]:
        return sorted(status.version for status in self.statuses())

    def default(self) -> str:
        with ManagementClient(self.engine.endpoint()) as client:
            try:
                return client.describe_default("m").version
            except ModelNotFoundError:
                return ""

    def folders(self) -> list[str]:
        return sorted(path.name for path in self.store.iterdir() if path.is_dir() and "-1.0" in path.name)

    def answer(self, body: bytes = b"x") -> bytes:
        with InferenceClient(self.engine.endpoint()) as client:
            return client.predict("m", body).body


@pytest.fixture(scope="module")
def engine(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeEngine]:
    project = make_project(tmp_path_factory.mktemp("leftovers") / "project")
    (project.root / "mardock.toml").write_text(SETTINGS.format(workers=1))
    (project.root / "body").write_text("x")
    engine = NativeEngine(project)
    engine.up(timeout=60)
    yield engine
    engine.down()


@pytest.fixture
def left(engine: NativeEngine) -> Left:
    found = Left(engine)
    found.begin()
    return found


def registered(left: Left) -> bool:
    return any(side_names.parse(version) for version in left.versions())


def promoted(left: Left) -> bool:
    return side_names.parse(left.default()) is not None


def ready(left: Left) -> bool:
    return any(side_names.parse(status.version) and status.ready for status in left.statuses())


def replacing(left: Left) -> bool:
    return registered(left) and not any(status.version == "1.0" and status.ready for status in left.statuses())


WATCH, INSTANT = ("watch", "m"), ("watch", "m", "--instant")
TUNE = ("tune", "m", "--concurrency", "4", "--budget", "30")
DEBUG = ("debug", "m", "--port", str(free_ports(1)[0]))
REPLACE = ("register", "m", "--replace", "--drain", "2")
UNREGISTER = ("models", "unregister", "m", "--drain", "30")
KILLS = [
    (WATCH, registered),
    (WATCH, promoted),
    (INSTANT, registered),
    (INSTANT, promoted),
    (TUNE, registered),
    (TUNE, ready),
    (DEBUG, registered),
    (DEBUG, promoted),
    (REPLACE, registered),
    (REPLACE, promoted),
    (REPLACE, replacing),
    (UNREGISTER, promoted),
]
NAMES = [f"{' '.join(word for word in command[:3] if len(word) > 1)} {moment.__name__}" for command, moment in KILLS]
SESSION = (1, 5, 7, 9)


@pytest.mark.parametrize(("command", "moment"), KILLS, ids=NAMES)
@pytest.mark.parametrize("then", [("up",), ("register", "m", "--replace")], ids=lambda then: then[0])
def test_the_model_itself_serves_and_nothing_else(
    left: Left, command: tuple[str, ...], moment: Callable[[Left], bool], then: tuple[str, ...]
) -> None:
    kill_at(left, command, moment)
    succeed(left.root, *then)
    assert (left.versions(), left.default(), left.folders()) == (["1.0"], "1.0", [])
    assert left.answer() == (b"second" if command == REPLACE else b"first")


@pytest.mark.parametrize(("command", "moment"), [KILLS[i] for i in SESSION], ids=[NAMES[i] for i in SESSION])
def test_a_session_goes_on_from_what_serves(
    left: Left, command: tuple[str, ...], moment: Callable[[Left], bool]
) -> None:
    kill_at(left, command, moment)
    left.save("third")
    argv = [*MARDOCK, *WATCH]
    with subprocess.Popen(argv, cwd=left.root, env=environment(), stderr=subprocess.PIPE, text=True) as watch:
        assert watch.stderr is not None
        assert any("watching" in line for line in watch.stderr)
        watch.terminate()
        watch.stderr.read()
    served = left.versions()
    assert served == [left.default()]
    assert left.folders() == [f".m-{served[0]}"]
    assert left.answer() == b"third"


def test_tuning_measures_what_serves_when_nothing_else_is_left(left: Left) -> None:
    kill_at(left, TUNE, ready)
    succeed(left.root, "tune", "m", "--concurrency", "2", "--budget", "5")
    assert (left.versions(), left.default(), left.folders()) == (["1.0"], "1.0", [])


@pytest.mark.parametrize("command", [WATCH, INSTANT], ids=["watch", "instant"])
def test_what_is_archived_after_a_watch_takes_the_traffic(left: Left, command: tuple[str, ...]) -> None:
    argv = [*MARDOCK, *command]
    with subprocess.Popen(argv, cwd=left.root, env=environment(), stderr=subprocess.PIPE, text=True) as watch:
        assert watch.stderr is not None
        assert any("watching" in line for line in watch.stderr)
        watch.send_signal(signal.SIGINT)
        watch.stderr.read()
    assert side_names.parse(left.default())  # what was watched serves on
    left.save("archived")
    succeed(left.root, "archive", "m")
    succeed(left.root, "register", "m", "--replace")
    assert (left.versions(), left.default(), left.folders()) == (["1.0"], "1.0", [])
    assert (left.answer(), left.answer(b"version")) == (b"archived", b"1.0")


def test_a_watch_that_lives_is_left_alone(left: Left) -> None:
    argv = [*MARDOCK, *WATCH]
    with subprocess.Popen(argv, cwd=left.root, env=environment(), stderr=subprocess.PIPE, text=True) as watch:
        assert watch.stderr is not None
        assert any("watching" in line for line in watch.stderr)
        succeed(left.root, "up")
        assert side_names.parse(left.default())
        assert left.default() in left.versions()
        watch.terminate()
        watch.stderr.read()


def kill_at(left: Left, command: tuple[str, ...], moment: Callable[[Left], bool]) -> None:
    """Have something to replace, and a request under way for what waits for those."""
    if command == REPLACE:
        left.save("second")
        succeed(left.root, "archive", "m")
    slow = threading.Thread(target=ask_slowly, args=(left,))
    if command in (REPLACE, UNREGISTER):
        slow.start()
    left.kill(command, moment)
    if slow.ident is not None:
        slow.join()


def ask_slowly(left: Left) -> None:
    try:
        with InferenceClient(left.engine.endpoint()) as client:
            client.predict("m", b"slow")
    except MardockError:  # it was under way as its version was taken away
        return
