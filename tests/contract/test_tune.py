"""Tuning on a real TorchServe: the winner is written down, and however it ends, the server is as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.projects import make_project
from tests.support.command import MARDOCK, Ended, environment, mardock, succeed

from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.engines.native import NativeEngine
from mardock.serving.session_lock import session

# A batch costs no core and always the same time: what is found depends on no other process of the machine.
HANDLER = """
import time

class Handler:
    def initialize(self, context):
        self.answer = "right" if context.model_yaml_config["minWorkers"] == 1 else "wrong"

    def handle(self, data, context):
        time.sleep(0.02)
        return [self.answer] * len(data)
"""
CONFIG = "# how it is served\nminWorkers: 1  # for now\nbatchSize: 1\n\n# the handler's own\nmine: [1, 2]\n"
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def engine(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeEngine]:
    """The engine of a project that serves the model `m` with one worker."""
    project = make_project(tmp_path_factory.mktemp("tune") / "project")
    (project.root / "handler.py").write_text(HANDLER)
    (project.root / "body").write_text("x")
    (project.root / "m.yaml").write_text(CONFIG)
    (project.root / "mardock.toml").write_text(
        '[models.m]\nsample = "body"\n[models.m.archive]\nhandler = "handler.py"\nconfig_file = "m.yaml"\n'
    )
    succeed(project.root, "archive", "m")
    succeed(project.root, "up")
    engine = NativeEngine(project)
    yield engine
    engine.down()


@pytest.fixture
def root(engine: NativeEngine) -> Iterator[Path]:
    """The project's folder; its server is found at the end as it was before, and so is the model store."""
    project = engine._project
    before, stored = versions(engine), sorted(project.model_store.iterdir())
    (project.root / "m.yaml").write_text(CONFIG)
    yield project.root
    if engine.status().running:
        assert versions(engine) == before
    assert sorted(project.model_store.iterdir()) == stored


def versions(engine: NativeEngine) -> list[tuple[str, list[int]]]:
    """What is served, by the processes that serve it, the default version first."""
    with ManagementClient(engine.endpoint()) as client:
        found = sorted(client.describe("m"), key=lambda status: status.version)
        found.sort(key=lambda status: status.version != client.describe_default("m").version)
    return [(status.version, [worker.pid for worker in status.workers]) for status in found]


def tune(root: Path, *arguments: str) -> Ended:
    return mardock(root, "tune", "m", "--concurrency", "16", *arguments)


def started(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start tuning for a minute."""
    return subprocess.Popen(
        [*MARDOCK, "tune", "m", "--budget", "60", "--json", *arguments],
        cwd=root,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def interrupted(engine: NativeEngine, stop: signal.Signals) -> Ended:
    """Start tuning, and send a signal once a candidate is served."""
    with started(engine._project.root, "--concurrency", "16") as tuner:
        await_candidate(engine)
        tuner.send_signal(stop)
        out, err = tuner.communicate(timeout=PATIENCE_S)
    return Ended(tuner.returncode, out, err)


def await_candidate(engine: NativeEngine) -> ModelStatus:
    deadline = time.monotonic() + PATIENCE_S
    with ManagementClient(engine.endpoint()) as client:
        while time.monotonic() < deadline:
            for status in client.describe("m"):
                if "-t" in status.version and status.ready:
                    return status
            time.sleep(0.02)
    raise AssertionError("nothing was tried")


def test_the_winner_is_written_down_and_comments_stay(root: Path) -> None:
    done = tune(root, "--budget", "8", "--json")

    assert done.code == 0, done.err
    winner, present = done.json["winner"], done.json["present"]
    assert (present["workers"], present["batch_size"]) == (1, 1)
    assert winner["workers"] == 1
    assert winner["batch_size"] >= 4
    assert done.json["gain"] > 1
    wrong = [trial for trial in done.json["trials"] if trial["setting"]["workers"] > 1]
    assert wrong  # a worker per core is looked at first, however small the budget is
    assert all("answers otherwise" in trial["unfit"] for trial in wrong)
    text = (root / "m.yaml").read_text()
    assert text.startswith(f"# how it is served\nminWorkers: {winner['workers']}  # for now\n")
    assert f"batchSize: {winner['batch_size']}\n" in text
    assert "\n# the handler's own\nmine: [1, 2]\n" in text
    assert f"threadsPerWorker: {winner['threads']}\n" in text
    assert "mardock archive m && mardock register m --replace" in done.err
    page = (root / "logs" / "tune-m.html").read_text()
    assert "Pareto front" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_limit_nothing_meets_changes_nothing(root: Path, engine: NativeEngine) -> None:
    killed = interrupted(engine, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    assert len(versions(engine)) > 1  # swept by the next one

    done = tune(root, "--budget", "5", "--p99", "1ms", "--json")

    assert done.code == 5, done.err
    assert done.json["winner"] is None
    assert done.json["nearest"] is not None
    assert "no setting keeps P99 within 1 ms; the nearest is" in done.err
    assert (root / "m.yaml").read_text() == CONFIG


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_search_tells_what_it_knows(
    root: Path, engine: NativeEngine, stop: signal.Signals, code: int
) -> None:
    done = interrupted(engine, stop)

    assert done.code == code, done.err
    report = json.loads(done.out)
    assert (report["complete"], report["reason"], report["winner"]) == (False, "interrupted", None)
    assert report["trials"]
    assert (root / "m.yaml").read_text() == CONFIG


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--p99", "soon"), 2, "--p99 'soon' is no time"),
        (("--variants",), 2, "mardock compile m --save all"),
        (("--html", "/nonexistent/page.html"), 2, "/nonexistent/page.html"),
        (("--data", "nothing"), 2, "nothing"),
    ],
)
def test_what_cannot_be_tuned_is_refused(root: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = tune(root, *arguments)
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_model_that_is_watched_is_not_tuned(root: Path, engine: NativeEngine) -> None:
    with session(engine._project.model_store, "m", "watched"):
        done = tune(root)
    assert done.code == 2, done.err
    assert f"model m is watched already, by pid {os.getpid()}" in done.err


def test_a_server_that_dies_leaves_a_marked_report(root: Path, engine: NativeEngine) -> None:  # the module's last one
    with started(root) as tuner:
        await_candidate(engine)
        os.kill(int(engine.status().details["pid"]), signal.SIGKILL)
        out, err = tuner.communicate(timeout=PATIENCE_S)

    assert tuner.returncode == 3, err
    report = json.loads(out)
    assert report["complete"] is False
    assert report["trials"]
    assert (root / "m.yaml").read_text() == CONFIG
