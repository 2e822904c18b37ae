"""The verdict over a container that a test plays, on a clock that only the test moves."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import pytest
from tests.unit.deploy.rehearsal.scenes import Clock, agreed

from mardock.deploy.rehearsal.checks import Fault
from mardock.deploy.rehearsal.contract import Contract, Limit
from mardock.deploy.rehearsal.places import Place
from mardock.deploy.rehearsal.prober import Answer, Probe
from mardock.deploy.rehearsal.stage import Stage

NEVER = 1e9
HEALTHY = Answer(200, "Healthy")


@dataclass
class Server:
    """A container with a TorchServe in it, by when things happen in seconds from the start.

    Attributes:
        pids: the worker's process from each second on.
        bound: whether it listens on every interface.
        managed: whether its Management API answers.
    """

    clock: Clock
    listens: float = 2
    loads: float = 4
    ends: float = NEVER
    pids: tuple[tuple[float, int], ...] = ((0, 47),)
    bound: bool = True
    managed: bool = True
    ping: Answer = HEALTHY
    name: str = "model"
    host: str = "127.0.0.1"
    port: int = 0
    user: str = "model-server"

    def exit_code(self) -> Optional[int]:
        return 3 if self.clock.now >= self.ends else None

    def lines(self) -> list[str]:
        return ["its last line"]

    def ask(self, path: str, timeout: float) -> Answer:
        if not self.bound or self.clock.now < self.listens:
            return Answer(None, "the connection is refused")
        return self.ping

    def fetch(self, url: str) -> Optional[bytes]:
        path = url.partition("127.0.0.1:")[2].partition("/")[2]
        if self.clock.now < self.listens or (path != "ping" and not self.managed):
            return None
        if path.startswith("models?"):
            return json.dumps({"models": [{"modelName": self.name, "modelUrl": "echo.mar"}]}).encode()
        return json.dumps([self._status()]).encode()

    def _status(self) -> dict[str, Any]:
        pid = [pid for since, pid in self.pids if self.clock.now >= since][-1]
        ready = "READY" if self.clock.now >= self.loads else "UNLOADING"
        worker = {"id": "9000", "status": ready, "pid": pid, "memoryUsage": 0, "gpu": False}
        numbers = {"minWorkers": 1, "maxWorkers": 1, "batchSize": 1, "maxBatchDelay": 100}
        texts = {"modelName": self.name, "modelVersion": "1.0", "modelUrl": "echo.mar", "runtime": "python"}
        return {**texts, **numbers, "workers": [worker]}


def watch(contract: Contract, **server: Any) -> Stage:
    clock = Clock()
    played = Server(clock, **server)
    stage = Stage(contract, played, played.ask, clock, {})
    stage.watch()
    return stage


def fault(contract: Contract, **server: Any) -> tuple[str, str]:
    with pytest.raises(Fault) as caught:
        watch(contract, **server)
    return caught.value.check, caught.value.error.message


def test_ready_and_loaded(tmp_path: Path) -> None:
    stage = watch(agreed(tmp_path))

    assert [(check.name, check.ok) for check in stage.passed] == [
        (name, True) for name in ("image", "listens", "model", "liveness probe", "readiness probe")
    ]


def test_a_model_that_loads_within_the_time_a_request_waits(tmp_path: Path) -> None:
    stage = watch(agreed(tmp_path), loads=6)

    assert "Ready after 2.0 s, 4.0 s before the model is loaded" in stage.passed[-1].figures


def test_ready_too_long_before_the_model_is_loaded(tmp_path: Path) -> None:
    check, told = fault(agreed(tmp_path), loads=20)

    assert check == "readiness probe"
    assert "Ready after 2.0 s, loaded after 20.0 s" in told


def test_a_later_initial_delay_mends_that(tmp_path: Path) -> None:
    late = Probe("readiness", "/ping", initial_delay=30)

    assert "Ready after 30.0 s, 10.0 s after" in watch(agreed(tmp_path, readiness=late), loads=20).passed[-1].figures


@pytest.mark.parametrize("kind", ["liveness", "readiness"])
def test_a_probe_whose_window_is_over(tmp_path: Path, kind: Any) -> None:
    contract = agreed(tmp_path)
    short: dict[str, Any] = {kind: Probe(kind, "/ping", initial_delay=1, period=2, failure_threshold=3)}

    check, told = fault(replace(contract, **short), listens=10)

    assert check == f"{kind} probe"
    assert "GET /ping failed 3 times within 5 s" in told
    assert told.endswith("the connection is refused")


def test_what_ends_is_not_waited_for(tmp_path: Path) -> None:
    assert fault(agreed(tmp_path), ends=1) == (
        "container",
        "torchserve/config.properties: the container of shop/echo ended with code 3 instead of serving",
    )


def test_what_answers_within_the_container_alone(tmp_path: Path) -> None:
    check, told = fault(agreed(tmp_path, config="inference_address=http://127.0.0.1:8080\n"), bound=False)

    assert (check, told.partition(": ")[0]) == ("listens", "torchserve/config.properties:1")


def test_an_answer_that_no_waiting_changes(tmp_path: Path) -> None:
    check, told = fault(agreed(tmp_path), ping=Answer(404, "no such page"))

    assert check == "listens"
    assert "port 8080 answers /ping with 404, so the liveness probe never succeeds" in told


def test_an_unhealthy_server_may_yet_recover(tmp_path: Path) -> None:
    check, _ = fault(agreed(tmp_path), ping=Answer(500, "Unhealthy"))

    assert check == "liveness probe"


def test_a_worker_that_dies(tmp_path: Path) -> None:
    check, told = fault(agreed(tmp_path), loads=NEVER, pids=((0, -1), (3, 47), (5, 48)))

    assert (check, told) == ("model", "model: the model cannot be loaded: its worker died")


def test_another_name_than_the_route_has(tmp_path: Path) -> None:
    check, told = fault(agreed(tmp_path), name="other")

    assert check == "model"
    assert told.endswith("requests go to /predictions/model, and TorchServe serves other")


def test_a_model_that_is_never_loaded(tmp_path: Path) -> None:
    check, told = fault(agreed(tmp_path, config="default_startup_timeout=30\n"), loads=NEVER)

    assert check == "model"
    assert told.startswith("torchserve/config.properties:1: model is not loaded 9")


def test_a_management_api_that_is_elsewhere_is_no_failure(tmp_path: Path) -> None:
    figures = {check.name: check.figures for check in watch(agreed(tmp_path), managed=False).passed}

    assert figures["model"] == "not seen: in the container, nothing answers at http://127.0.0.1:8081"


def test_a_request_that_is_not_answered_in_time(tmp_path: Path, free_socket: int) -> None:
    limit = Limit(0.01, "request_timeout_ms", Place("spec.yaml", 3))
    played = Server(Clock(), port=free_socket)
    stage = Stage(agreed(tmp_path, request_timeout=limit), played, played.ask, time, {})

    with pytest.raises(Fault) as caught:
        stage.request(b"hello")
    assert caught.value.check == "request"
    assert caught.value.error.message.startswith("spec.yaml:3: the sample is not answered within 0.01 s")
