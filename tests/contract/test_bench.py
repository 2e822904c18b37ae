"""The load generator against servers of known behaviour, and `mardock bench` against a real TorchServe."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.known_server import (
    OK,
    KnownServer,
    Script,
    after,
    cut_off,
    drip,
    every,
    hang_up,
    reset,
    say,
    stall,
)
from tests.contract.projects import add_echo

from mardock.benchmark.bench import measure_ceiling
from mardock.benchmark.load import LoadGenerator
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.target import prediction_target
from mardock.client.management import ManagementClient
from mardock.client.metrics import MetricsClient, model_metrics
from mardock.client.model_status import ModelStatus
from mardock.endpoint import Endpoint
from mardock.engines.native import NativeEngine

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
REFUSAL = b'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 19\r\n\r\n{"message": "full"}'
MS = 1_000_000


def load(
    server: KnownServer,
    *,
    connections: int = 2,
    seconds: float = 0.5,
    rate: float | None = None,
    timeout: float = 5.0,
    body: bytes = b"x",
) -> Measurement:
    """Put a load on a server and return what was counted."""
    measurement = Measurement()
    target = prediction_target(Endpoint(server.url), "m", [body])
    with LoadGenerator(target, connections, timeout=timeout) as generator:
        generator.run(measurement, seconds=seconds, rate=rate)
    return measurement


def slower_than(measurement: Measurement, milliseconds: float) -> float:
    """Return how many answers took longer, at the least."""
    faster = [fraction for fraction, value in measurement.latency.distribution() if value <= milliseconds * MS]
    return (1 - faster[-1]) * measurement.latency.count


@pytest.mark.parametrize("answer", [OK, CHUNKED, CLOSING], ids=["length", "chunked", "closing"])
def test_every_request_is_counted_once(answer: bytes) -> None:
    with KnownServer(say(answer)) as server:
        found = load(server)

        assert found.latency.count == server.requests > 0
        assert not found.errors
        assert found.body_bytes == 2 * server.requests


def test_latencies_are_at_least_the_servers_delay_and_throughput_at_most_what_it_allows() -> None:
    with KnownServer(after(0.05, say(OK))) as server:
        found = load(server, connections=4, seconds=1)

        assert found.latency.distribution()[0][1] >= 50 * MS
        assert found.latency.count <= 4 * 20
        assert found.throughput <= 80
        assert found.latency.count == server.requests


def test_a_body_larger_than_any_socket_buffer_arrives_whole() -> None:
    with KnownServer(say(OK)) as server:
        found = load(server, body=bytes(20_000_000), connections=1)

        assert found.latency.count == server.requests > 0
        assert not found.errors


def test_an_open_loop_sends_at_its_rate_whatever_the_answers_take() -> None:
    with KnownServer(after(0.05, say(OK))) as server:
        found = load(server, rate=100, connections=50, seconds=1)

        # A busy machine may be late for the last moments of the second: then they are told, not sent.
        assert found.latency.count == server.requests
        assert found.errors["never sent"] + server.requests == 100
        assert set(found.errors) <= {"never sent"}
        assert server.requests >= 90


def test_a_stall_is_charged_for_every_request_it_delayed_in_an_open_loop_alone() -> None:
    def script(connection: socket.socket, number: int) -> None:
        (after(0.6, say(OK)) if number == 10 else say(OK))(connection, number)

    with KnownServer(script) as server:
        opened = load(server, rate=100, connections=1, seconds=1)
    with KnownServer(script) as server:
        closed = load(server, connections=1, seconds=1)

    # Due while the server stalled: 60 requests, of which the first 30 waited for more than 0.3 s.
    assert slower_than(opened, 290) >= 25
    assert slower_than(closed, 290) < 2


def test_what_an_overloaded_server_left_no_connection_for_is_an_error() -> None:
    with KnownServer(after(0.1, say(OK))) as server:
        found = load(server, rate=200, connections=2, seconds=0.5)

        assert found.errors["never sent"] + found.latency.count == 100
        assert found.latency.count == server.requests


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (say(REFUSAL), "5xx"),
        (say(REFUSAL.replace(b"503", b"404")), "4xx"),
        (say(REFUSAL.replace(b"503", b"302")), "3xx"),
        (reset, "connection reset"),
        (hang_up, "connection reset"),
        (cut_off, "short body"),
        (say(b"nonsense\r\n\r\n"), "bad response"),
    ],
    ids=["5xx", "4xx", "3xx", "reset", "hang-up", "short-body", "nonsense"],
)
def test_each_kind_of_error_is_counted_apart_from_the_latencies(fault: Script, kind: str) -> None:
    with KnownServer(every(5, fault, otherwise=say(OK))) as server:
        found = load(server, timeout=60)

        assert set(found.errors) == {kind}
        assert found.errors[kind] == server.requests // 5
        assert found.latency.count == server.requests - server.requests // 5
        assert found.examples[kind]


@pytest.mark.parametrize("fault", [stall, drip], ids=["stall", "slow-loris"])
def test_what_takes_longer_than_the_timeout_is_counted_apart_from_the_latencies(fault: Script) -> None:
    # Longer than any pause of a busy machine, so that only the faulty answers time out.
    timeout = 4.0
    with KnownServer(every(5, fault, otherwise=say(OK))) as server:
        found = load(server, timeout=timeout)

        assert set(found.errors) == {"timeout"}
        assert found.errors["timeout"] == server.requests // 5
        assert found.latency.count == server.requests - server.requests // 5
        assert (found.latency.largest or 0) < timeout * 1000 * MS
        assert found.examples["timeout"]


def test_a_server_that_dies_ends_the_run_early_and_marks_it() -> None:
    with KnownServer(lambda connection, number: server.die() if number == 50 else connection.sendall(OK)) as server:
        found = load(server, seconds=30)

        assert found.latency.count >= 49
        assert "refused every connection" in (found.cut_short or "")
        assert 0 < found.seconds < 30


def test_the_ceiling_is_measured_with_the_same_requests() -> None:
    with KnownServer(say(OK)) as server:
        target = prediction_target(Endpoint(server.url), "m", [bytes(200_000), b"x"])

        assert measure_ceiling(target, 4, answer_bytes=100_000) > 0
        assert server.requests == 0


# --- the command ---


@pytest.fixture
def echo(native_server: NativeEngine, tmp_path: Path) -> Iterator[tuple[ManagementClient, list[str]]]:
    """The echo model with one worker; yields a management client and the command that asks it to take 50 ms."""
    project = native_server._project
    name = f"echo-{tmp_path.name}"
    body = tmp_path / "body"
    body.write_bytes(b"sleep 0.05")
    with ManagementClient(native_server.endpoint()) as client:
        client.register(add_echo(project, name), model_name=name, initial_workers=1, batch_size=1, max_batch_delay=0)
        yield client, ["-C", str(project.root), "bench", name, str(body), "--warmup", "0.2", "--json"]
        client.unregister(name)


def mardock(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mardock", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found = json.loads(done.stdout)
    assert isinstance(found, dict), done.stderr
    return found


def served(engine: NativeEngine, model: str) -> int:
    """Return how many requests of a model TorchServe counted."""
    with MetricsClient(engine.endpoint()) as client:
        return sum(entry.requests for entry in model_metrics(client.scrape()) if entry.model == model)


def workers_of(status: ModelStatus) -> tuple[int, int, int]:
    return status.min_workers, status.max_workers, len(status.workers)


def test_torchserve_counts_the_same_requests(echo: tuple[ManagementClient, list[str]]) -> None:
    _, command = echo

    done = mardock(*command, "--duration", "1", "--concurrency", "1,2")

    assert done.returncode == 0, done.stderr
    for run in report_of(done)["runs"]:
        assert run["server"]["requests"] == run["requests"] > 0
        assert run["latency"]["p50_ms"] >= 50
        assert 50 <= run["server"]["mean_inference_ms"] <= run["latency"]["mean_ms"]
        assert run["throughput"] <= 20
        assert run["errors"] == {}


def test_worker_counts_are_compared_and_put_back(echo: tuple[ManagementClient, list[str]], tmp_path: Path) -> None:
    client, command = echo
    before = workers_of(client.describe_default(command[3]))

    load_it = ("--duration", "0.5", "--concurrency", "4", "--workers", "2,1", "--rounds", "2")
    done = mardock(*command[:-1], *load_it)

    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:3]] == ["2", "1"]
    said = [line for line in done.stderr.splitlines() if line.startswith(("round", "scaling"))]
    assert [line.split()[0] for line in said] == ["round", "scaling", "scaling"] * 2
    counted = done.stdout.partition("TOTAL REQUESTS  MEAN INFERENCE LATENCY  MEAN QUEUE LATENCY\n")[2].splitlines()
    assert [line.split()[0] for line in counted] == ["2", "1"]
    assert workers_of(client.describe_default(command[3])) == before == (1, 1, 1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_is_reported_and_the_workers_are_put_back(
    echo: tuple[ManagementClient, list[str]], native_server: NativeEngine, number: signal.Signals, code: int
) -> None:
    client, command = echo
    argv = [sys.executable, "-m", "mardock", *command, "--workers", "2", "--warmup", "0", "--duration", "60"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "then 60 s" in line:
                break
        while served(native_server, command[3]) < 10:
            assert process.poll() is None
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == code, stderr
    report = json.loads(stdout)
    assert report["complete"] is False
    assert report["runs"][0]["cut_short"] == "interrupted"
    assert report["runs"][0]["requests"] > 0
    assert workers_of(client.describe_default(command[3])) == (1, 1, 1)


def test_a_server_that_dies_leaves_a_marked_report_and_exit_code_5(native_server: NativeEngine, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x")
    page = tmp_path / "page.html"
    with KnownServer(lambda connection, number: server.die() if number == 100 else connection.sendall(OK)) as server:
        command = ["-C", str(native_server._project.root), "bench", "m", str(body), "--url", server.url]
        done = mardock(*command, "--warmup", "0", "--duration", "60", "--html", str(page), "--json")

    assert done.returncode == 5, done.stderr
    run = report_of(done)["runs"][0]
    assert run["requests"] >= 90
    assert "refused every connection" in run["cut_short"]
    assert "refused every connection" in page.read_text()


def test_errors_beyond_the_limit_end_in_exit_code_5(native_server: NativeEngine, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x")

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        with KnownServer(every(10, say(REFUSAL), otherwise=say(OK))) as server:  # a fresh one answers the first call
            command = ["-C", str(native_server._project.root), "bench", "m", str(body), "--url", server.url]
            return mardock(*command, "--warmup", "0", "--duration", "0.5", "--concurrency", "2", *options)

    refused, tolerated = run(), run("--max-error-rate", "0.2")

    assert refused.returncode == 5
    assert "of the requests failed" in refused.stderr
    assert '503 {"message": "full"}' in refused.stderr
    assert tolerated.returncode == 0, tolerated.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nosuch", "FILE"], 5, "nosuch"),
        (["m", "FILE", "--url", "http://127.0.0.1:1"], 3, "nothing answers"),
        (["m", "FILE", "--url", "http://192.0.2.1"], 2, "--yes"),
        (["m", "FILE", "--concurrency", "1,x"], 2, "--concurrency"),
        (["m", "FILE", "--concurrency", "0"], 2, "--concurrency"),
        (["m", "FILE", "--duration", "nan"], 2, "is no time"),
        (["m", "FILE", "--html", "/nonexistent/page.html"], 2, "/nonexistent/page.html"),
        (["m", "/nonexistent"], 2, "/nonexistent"),
        (["m"], 2, "mardock.toml"),
        (["compare", "FILE", "FILE"], 2, "no report"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    native_server: NativeEngine, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"x")
    given = [str(file) if argument == "FILE" else argument for argument in arguments]

    done = mardock("-C", str(native_server._project.root), "bench", *given)

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
