"""The threads torch really computes with in the workers of a running TorchServe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.projects import make_project
from tests.support.command import mardock, succeed

from mardock.engines.native import NativeEngine
from mardock.engines.threads import usable_cores

HANDLER = """
import torch

def handle(data, context):
    return [str(torch.get_num_threads())] * len(data) if data else None
"""
MODELS = """
[models.plain.archive]
handler = "handler.py"

[models.three.archive]
handler = "handler.py"
config_file = "three.yaml"

[models.five.archive]
handler = "handler.py"
[models.five.serving]
threads_per_worker = 5
"""
NAMES = ("plain", "three", "five")


@pytest.fixture(params=["fast", "plain"])
def root(request: pytest.FixtureRequest, native: None, tmp_path: Path) -> Iterator[Path]:
    """A project whose three models each ask for threads in another way, archived; its server is stopped."""
    project = make_project(tmp_path / "project")
    (project.root / "handler.py").write_text(HANDLER)
    (project.root / "three.yaml").write_text("threadsPerWorker: 3\n")
    (project.root / "mardock.toml").write_text(MODELS)
    with (project.root / ".env").open("a") as env:
        env.write(f"MARDOCK_FAST_WORKERS={str(request.param == 'fast').lower()}\nMARDOCK_THREADS_PER_WORKER=1\n")
    for name in NAMES:
        succeed(project.root, "archive", name)
    yield project.root
    NativeEngine(project).down()


def test_workers_have_the_threads_they_were_promised(root: Path, request: pytest.FixtureRequest) -> None:
    fast = "fast" in request.node.name
    up = succeed(root, "up")
    (root / "body").write_text("x")

    answers = {name: succeed(root, "predict", name, "body").out.strip() for name in NAMES}

    assert answers == ({"plain": "1", "three": "3", "five": "5"} if fast else dict.fromkeys(NAMES, "1"))
    assert ("MARDOCK_FAST_WORKERS" in up.err) is not fast
    assert f"1 of {usable_cores()} cores" in succeed(root, "status").out
    details = json.loads(succeed(root, "status", "--json").out)["details"]
    assert details["threads per worker"] == f"1 of {usable_cores()} cores"
    scaled = succeed(root, "models", "scale", "three", "--min-worker", usable_cores())
    assert ("slow each other down" in scaled.err) is (fast and usable_cores() > 1)


@pytest.mark.parametrize("root", ["fast"], indirect=True)
def test_more_workers_share_the_cores(root: Path) -> None:
    text = (root / ".env").read_text()
    (root / ".env").write_text(text.replace("MARDOCK_THREADS_PER_WORKER=1\n", ""))
    succeed(root, "up", "--no-models")
    (root / "body").write_text("x")
    for workers, threads in ((1, usable_cores()), (usable_cores(), 1), (2 * usable_cores(), 1), (1, usable_cores())):
        done = succeed(root, "register", "plain", "--num-workers", workers)
        assert "warning" not in done.err
        assert "slow each other down" not in done.err
        assert succeed(root, "predict", "plain", "body").out.strip() == str(threads)
        succeed(root, "models", "unregister", "plain")
    succeed(root, "register", "three", "--num-workers", 2)
    assert succeed(root, "predict", "three", "body").out.strip() == "3"
    succeed(root, "register", "plain")
    grown = succeed(root, "register", "plain", "--num-workers", 3).err  # the first worker was there before
    assert ("mardock register plain --num-workers 3" in grown) is (usable_cores() > 1)


@pytest.mark.parametrize("root", ["fast"], indirect=True)
def test_another_number_wants_a_restart(root: Path) -> None:
    succeed(root, "up", "--no-models")
    again = mardock(root, "up", "--no-models", env={"MARDOCK_THREADS_PER_WORKER": "2"})
    assert again.code == 3
    assert "threads_per_worker" in again.err
