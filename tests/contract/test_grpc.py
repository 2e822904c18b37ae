"""gRPC against a real TorchServe that asks for tokens: predictions, refusals."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.contract.projects import add_echo, make_project
from tests.support.listeners import Heard

from mardock.benchmark.bench import Bench
from mardock.benchmark.plan import BenchPlan
from mardock.client import tokens
from mardock.client.grpc import GrpcInferenceClient
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.endpoint import Tokens
from mardock.engines.native import NativeEngine
from mardock.engines.native.state import Home
from mardock.errors import ApiError, EngineNotRunningError, ModelNotFoundError, ServingError

HANDLER = """
import time

def handle(data, context):
    if data is None:
        return None
    body = bytes(data[0]["body"])
    if body == b"raise":
        raise KeyError("weights")
    if body.startswith(b"sleep "):
        time.sleep(float(body[6:]))
    return [body]
"""


@pytest.fixture(scope="module")
def engine(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeEngine]:
    """A server with tokens and the model `m`, which answers what it is sent."""
    project = make_project(tmp_path_factory.mktemp("grpc") / "project", token_auth=True)
    engine = NativeEngine(project)
    with ManagementClient(engine.up(timeout=60)) as client:
        client.register(add_echo(project, "m", HANDLER), model_name="m", initial_workers=1, max_batch_delay=0)
    yield engine
    engine.down()


def test_a_prediction_is_the_same_over_grpc_and_http(engine: NativeEngine) -> None:
    endpoint = engine.endpoint()
    body = bytes(range(256)) * 20_000  # larger than what gRPC takes unless it is told to

    with GrpcInferenceClient(endpoint) as grpc, InferenceClient(endpoint) as http:
        assert endpoint.credentials.inference()
        assert grpc.predict("m", body).body == http.predict("m", body).body == body
        assert grpc.predict("m", b"x", version="1.0").body == b"x"


def test_refusals_over_grpc_are_the_errors_they_are_over_http(engine: NativeEngine) -> None:
    endpoint = engine.endpoint()
    with GrpcInferenceClient(endpoint) as client:
        with pytest.raises(ModelNotFoundError, match="Model not found: nosuch"):
            client.predict("nosuch", b"")
        with pytest.raises(ModelNotFoundError, match=r"9\.9"):
            client.predict("m", b"", version="9.9")
        with pytest.raises(ApiError, match="Prediction failed") as raised:
            client.predict("m", b"raise")
        with pytest.raises(ServingError, match=r"no answer in 0\.2 s"):
            client.predict("m", b"sleep 1", timeout=0.2)
    assert raised.value.status == 503

    stranger = replace(endpoint, credentials=Tokens("wrong-token"))
    with GrpcInferenceClient(stranger) as client, pytest.raises(ApiError, match="Token Authorization failed") as raised:
        client.predict("m", b"")
    assert (raised.value.status, raised.value.kind) == (403, "InvalidKeyException")

    nobody = replace(endpoint, grpc_inference_address="127.0.0.1:1")
    with GrpcInferenceClient(nobody) as client, pytest.raises(EngineNotRunningError, match=r"127\.0\.0\.1:1"):
        client.predict("m", b"")


def renew_all(engine: NativeEngine) -> None:
    """Replace both tokens, as another command does when it finds them old."""
    api_key = json.loads(Home(engine._project.state).key_file.read_text())["API"]["key"]
    tokens.renew(engine.endpoint(), api_key, "inference")
    tokens.renew(engine.endpoint(), api_key, "management")


def test_clients_go_on_when_another_command_renews_their_tokens(engine: NativeEngine) -> None:
    endpoint = engine.endpoint()
    with (
        GrpcInferenceClient(endpoint) as grpc,
        InferenceClient(endpoint) as http,
        ManagementClient(endpoint) as management,
        ThreadPoolExecutor(4) as pool,
    ):
        for number in range(2):
            renew_all(engine)
            bodies = [b"%d-%d" % (number, index) for index in range(8)]
            assert [answer.body for answer in pool.map(lambda body: http.predict("m", body), bodies)] == bodies
            renew_all(engine)
            assert [answer.body for answer in pool.map(lambda body: grpc.predict("m", body), bodies)] == bodies
            assert management.scale("m", 1, 1).ready_workers == 1
        renew_all(engine)
        assert http.predict("m", io.BytesIO(b"a file")).body == b"a file"
        with pytest.raises(ModelNotFoundError):
            management.describe("nosuch")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_each_run_of_a_benchmark_begins_with_the_token_of_now(engine: NativeEngine, protocol: str) -> None:
    class Renewing(Heard):
        def note(self, text: str) -> None:
            super().note(text)
            if text.startswith("round"):
                renew_all(engine)

    told = Renewing()
    plan = BenchPlan("m", (b"x",), concurrency=(1,), duration=0.2, warmup=0, rounds=2, protocol=protocol)
    job = Bench(engine.endpoint(), plan, listener=told)
    job.run()

    (run,) = job.report.runs
    assert run.errors == {}
    assert [text for text in told.notes if text.startswith("round")] == ["round 1 of 2", "round 2 of 2"]


def test_predict_asks_over_grpc(engine: NativeEngine) -> None:
    root = engine._project.root
    (root / "sample").write_bytes(b"digits")
    command = [sys.executable, "-m", "mardock", "-C", str(root), "predict", "m", str(root / "sample"), "--grpc"]

    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    refused = subprocess.run([*command, "--content-type", "a/b"], capture_output=True, timeout=120, check=False)

    assert done.stdout == b"digits", done.stderr
    assert refused.returncode == 2
    assert b"gRPC carries no content type" in refused.stderr
