"""Load over gRPC against servers of known behaviour, and `mardock bench --protocol grpc` against a real TorchServe."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest
from tests.contract.known_grpc_server import KnownGrpcServer, known_grpc_server
from tests.contract.projects import add_echo
from tests.contract.test_bench import served

from mardock.benchmark.bench import measure_ceiling
from mardock.benchmark.grpc_load import GrpcLoadGenerator
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.target import grpc_target
from mardock.client.management import ManagementClient
from mardock.endpoint import Endpoint, Tokens
from mardock.engines.native import NativeEngine

MS = 1_000_000


def endpoint(server: KnownGrpcServer) -> Endpoint:
    return Endpoint("", grpc_inference_address=server.address, credentials=Tokens("s3cr3t"), headers={"X-Blue": "1"})


def load(
    server: KnownGrpcServer,
    *,
    connections: int = 2,
    seconds: float = 0.5,
    rate: float | None = None,
    timeout: float = 5.0,
    body: bytes = b"x",
) -> Measurement:
    """Put a load on a server and return what was counted."""
    measurement = Measurement()
    with GrpcLoadGenerator(grpc_target(endpoint(server), "m", [body]), connections, timeout=timeout) as generator:
        generator.run(measurement, seconds=seconds, rate=rate)
    return measurement


def test_every_request_is_counted_once_and_carries_token_and_headers() -> None:
    with known_grpc_server() as server:
        found = load(server)

        assert found.latency.count == server.requests > 0
        assert not found.errors
        assert found.body_bytes == 2 * server.requests
        assert server.metadata["authorization"] == "Bearer s3cr3t"
        assert server.metadata["x-blue"] == "1"


def test_latencies_are_at_least_the_servers_delay_and_throughput_at_most_what_it_allows() -> None:
    with known_grpc_server(lambda context, number: time.sleep(0.05)) as server:
        found = load(server, connections=4, seconds=1)

        assert found.latency.distribution()[0][1] >= 50 * MS
        assert found.latency.count == server.requests <= 4 * 20


def test_an_open_loop_charges_a_stall_for_every_request_it_delayed() -> None:
    def stall(context: grpc.ServicerContext, number: int) -> None:
        time.sleep(0.6 if number == 10 else 0)

    with known_grpc_server(stall) as server:
        found = load(server, rate=100, connections=1, seconds=1)

        assert found.latency.count + found.errors["never sent"] == 100
        assert found.latency.count == server.requests
        faster = [fraction for fraction, value in found.latency.distribution() if value <= 290 * MS]
        assert (1 - faster[-1]) * found.latency.count >= 25


def test_errors_are_counted_by_status_code_apart_from_the_latencies() -> None:
    def script(context: grpc.ServicerContext, number: int) -> None:
        if number % 5 == 3:
            context.abort(
                grpc.StatusCode.UNAVAILABLE, "Prediction failed\norg.pytorch.serve.http.InternalServerException"
            )
        if number % 5 == 4:
            time.sleep(5)

    with known_grpc_server(script) as server:
        found = load(server, seconds=2, timeout=2)

        assert set(found.errors) == {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
        assert found.latency.count + sum(found.errors.values()) == server.requests
        assert found.examples["UNAVAILABLE"].startswith("Prediction failed")
        assert found.cut_short is None


def test_a_server_that_dies_ends_the_run_early_and_marks_it() -> None:
    def script(context: grpc.ServicerContext, number: int) -> None:
        if number == 50:
            threading.Thread(target=server.die).start()

    with known_grpc_server(script) as server:
        found = load(server, seconds=60)

        assert found.latency.count >= 49
        assert "UNAVAILABLE to every call" in (found.cut_short or "")
        assert 0 < found.seconds < 60


def test_the_ceiling_is_measured_with_the_same_requests() -> None:
    with known_grpc_server() as server:
        target = grpc_target(endpoint(server), "m", [bytes(200_000)])

        assert measure_ceiling(target, 4, 100, "grpc") > 0
        assert server.requests == 0


@pytest.fixture
def command(native_server: NativeEngine, tmp_path: Path) -> list[str]:
    """The command that loads a model which answers after 50 ms."""
    project, name = native_server._project, f"echo-{tmp_path.name}"
    (tmp_path / "body").write_bytes(b"sleep 0.05")
    with ManagementClient(native_server.endpoint()) as client:
        client.register(add_echo(project, name), model_name=name, initial_workers=1, batch_size=1, max_batch_delay=0)
    mardock = [sys.executable, "-m", "mardock", "-C", str(project.root), "bench", name, str(tmp_path / "body")]
    return [*mardock, "--protocol", "grpc", "--json"]


def test_torchserve_counts_the_same_requests(command: list[str]) -> None:
    load_it = [*command, "--warmup", "0.2", "--duration", "1", "--concurrency", "2"]
    done = subprocess.run(load_it, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    run = report["runs"][0]
    assert report["protocol"] == "grpc"
    assert run["server"] == {"requests": run["requests"], "mean_inference_ms": None, "mean_queue_ms": None}
    assert run["requests"] > 0
    assert run["latency"]["p50_ms"] >= 50


def test_an_interrupted_run_is_reported(command: list[str], native_server: NativeEngine) -> None:
    argv = [*command, "--warmup", "0", "--duration", "60"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "then 60 s" in line:
                break
        while served(native_server, command[6]) < 10:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130, stderr
    assert json.loads(stdout)["runs"][0]["cut_short"] == "interrupted"
    assert "Traceback" not in stderr
