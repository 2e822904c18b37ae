"""A real TorchServe cannot tell a forked worker from a plain one, but for its start-up time."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from benchmarks.warm_parent import TorchServe
from tests.support.waiting import eventually

from mardock.engines import warm

HANDLER = """
import os, signal, sys
import torch

print("imported by", "the parent" if "mardock_warm" in sys.modules else "python", flush=True)

def handle(data, context):
    if not data:
        return None
    act = bytes(data[0]["body"])
    if act == b"exit 137":
        os._exit(137)
    if act == b"exit 3":
        os._exit(3)
    if act == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == b"raise":
        raise ValueError("boom")
    return [f"{torch.get_num_threads()} {float(torch.ones(3).sum())}"]
"""


@contextmanager
def serving(folder: Path) -> Iterator[TorchServe]:
    """A TorchServe whose workers a warm parent forks."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    python = warm.ensure(folder, sys.executable, env=env)
    server = TorchServe(folder, str(python), HANDLER, env)
    yield server
    server.stop()
    warm.stop(folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TorchServe]:
    with serving(tmp_path_factory.mktemp("shared")) as server:
        yield server


@pytest.fixture
def server(shared: TorchServe) -> Iterator[TorchServe]:
    """A server without workers; those the test has started are ended."""
    yield shared
    shared.scale(0)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[TorchServe]:
    """A server of the test's own."""
    with serving(tmp_path) as server:
        yield server


def await_line(server: TorchServe, pattern: str) -> None:
    """Return once the log has such a line, which may come a moment after the answer."""
    eventually(lambda: re.search(pattern, server.log.read_text()) is not None, server.log.read_text)


def test_register_predict_scale(server: TorchServe) -> None:
    server.scale(4)
    status = warm.status(server.log.parent)
    assert status is not None
    assert status.workers == 4
    assert server.predict() == (200, "1 3.0")
    workers = psutil.Process(status.pid).children()
    server.scale(0)
    psutil.wait_procs(workers, timeout=60)
    assert not any(worker.is_running() for worker in workers)


@pytest.mark.parametrize(("act", "expected"), [("exit 137", 507), ("kill", 507), ("exit 3", 500), ("raise", 503)])
def test_a_failing_worker_has_the_same_status(server: TorchServe, act: str, expected: int) -> None:
    server.scale(1)
    assert server.predict(act.encode())[0] == expected


def test_the_log_has_the_same_lines(mortal: TorchServe) -> None:
    mortal.scale(1)
    mortal.predict(b"raise")
    for text in ("imported by the parent", r"\[PID\]\d+", "Traceback", "ValueError: boom"):
        await_line(mortal, rf"W-9\d+-m_1\.0-stdout MODEL_LOG - {text}")


def test_killing_the_server_leaves_no_worker(mortal: TorchServe, tmp_path: Path) -> None:
    mortal.scale(2)
    status = warm.status(tmp_path)
    assert status is not None
    parent = psutil.Process(status.pid)
    workers = parent.children()
    mortal.stop()
    warm.stop(tmp_path)
    _, alive = psutil.wait_procs([parent, *workers], timeout=60)
    assert not alive


def test_without_the_parent_it_serves_all_the_same(mortal: TorchServe, tmp_path: Path) -> None:
    warm.status(tmp_path, timeout=60)
    warm.stop(tmp_path)
    mortal.scale(1)
    assert mortal.predict() == (200, "1 3.0")
    await_line(mortal, "imported by python")
