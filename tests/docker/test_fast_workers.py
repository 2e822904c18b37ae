"""Workers of the serve container are forked by a warm parent, which shows in their start-up time alone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.contract.projects import add_echo
from tests.support.waiting import eventually

from mardock import serving
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.engines.docker.engine import DockerEngine
from mardock.errors import ApiError
from mardock.serving import Servable, Server
from mardock.settings.schema import Serving

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject

HANDLER = """
import os, sys

print("imported by", "the parent" if "mardock_warm" in sys.modules else "python", flush=True)

def handle(data, context):
    if not data:
        return None
    act = bytes(data[0]["body"])
    if act == b"exit 137":
        os._exit(137)
    if act == b"exit 3":
        os._exit(3)
    if act == b"raise":
        raise ValueError("boom")
    return [act]
"""
STATUS = """
import pathlib, sys
sys.path.insert(0, "/opt/mardock")
from mardock.engines import warm
print(warm.status(pathlib.Path("/tmp"), timeout=60))
"""
WORKERS = 2


@pytest.fixture(scope="module", params=["true", "false"], ids=["warm", "plain"])
def model(request: pytest.FixtureRequest, make_lasting_project: MakeProject) -> Iterator[DockerEngine]:
    """The engine of a server, with fast workers or without, that has the model `m` registered."""
    engine = DockerEngine(make_lasting_project(MARDOCK_FAST_WORKERS=request.param))
    (engine.project.root / "artifacts").mkdir()
    add_echo(engine.project, "m", HANDLER)
    with ManagementClient(engine.up(timeout=120)) as management:
        assert management.register("m", model_name="m", initial_workers=WORKERS).ready
    yield engine
    engine.down()


def parent(engine: DockerEngine) -> str:
    """What the container's warm parent says of itself."""
    argv = ["docker", "exec", engine.status().details["container"], "python", "-c", STATUS]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def processes(engine: DockerEngine) -> str:
    """The command lines in the container."""
    argv = ["docker", "top", engine.status().details["container"], "-o", "pid,args"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def is_warm(engine: DockerEngine) -> bool:
    """Whether it was asked for."""
    return engine.project.settings.machine.fast_workers


def test_the_switch_decides_who_forks(model: DockerEngine) -> None:
    who = "imported by the parent" if is_warm(model) else "imported by python"

    def log() -> list[str]:
        return list(model.logs(follow=False, tail=-1))

    eventually(lambda: len([line for line in log() if "MODEL_LOG" in line and line.endswith(who)]) == WORKERS, log)
    assert not any("workers start plainly" in line for line in log())
    if is_warm(model):
        assert f"workers={WORKERS}" in parent(model)
    else:
        assert parent(model) == "None"


@pytest.mark.parametrize(("act", "status"), [("raise", 503), ("exit 3", 500), ("exit 137", 507)])
def test_a_failure_looks_the_same(model: DockerEngine, act: str, status: int) -> None:
    with InferenceClient(model.endpoint()) as client:
        with pytest.raises(ApiError) as caught:
            client.predict("m", act.encode())
        # Without the parent TorchServe may ask for the exit code before there is one, and then answers 500.
        assert caught.value.status in ({status} if is_warm(model) else {status, 500})
    if act == "raise":
        lines = model.logs(follow=True, tail=-1)  # it may come a moment after the answer
        assert any(line.endswith("MODEL_LOG - ValueError: boom") for line in lines)


def test_scaling_down_and_unregistering_end_the_workers(model: DockerEngine) -> None:
    with ManagementClient(model.endpoint()) as management:
        management.scale("m", min_worker=0, max_worker=0, synchronous=True)
        management.unregister("m")
    deadline = time.monotonic() + 60
    while "model_service_worker.py" in processes(model) and time.monotonic() < deadline:
        pass
    assert "model_service_worker.py" not in processes(model)
    assert not is_warm(model) or "workers=0" in parent(model)


def test_more_workers_share_the_cores(model: DockerEngine) -> None:
    endpoint, handler = (
        model.endpoint(),
        "import torch\n\ndef handle(data, context):\n    return [str(torch.get_num_threads())]\n",
    )
    add_echo(model.project, "t", handler)
    cores = model.status().threads.cores  # type: ignore[union-attr]
    for workers, threads in ((1, cores), (2 * cores, 1), (1, cores)):
        servable = Servable("t", Serving(initial_workers=workers), model_name="t")
        assert serving.register(Server(endpoint, model), servable).workers == workers
        with InferenceClient(endpoint) as client:
            assert client.predict("t", b"").body == str(threads if is_warm(model) else cores).encode()
        serving.unregister(Server(endpoint), "t")


def test_without_mardock_torchserve_starts_plainly(make_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = DockerEngine(make_project())
    monkeypatch.setattr("mardock.__file__", str(engine.project.root / "src" / "__init__.py"))
    engine.up(timeout=120)
    assert "/bin/torchserve --disable-token-auth --start --foreground" in processes(engine)
    engine.down()
