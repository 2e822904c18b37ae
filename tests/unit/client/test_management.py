"""ManagementClient: what it sends, and what it refuses to send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from pydantic import TypeAdapter, ValidationError
from requests import PreparedRequest, ReadTimeout

from mardock.client.management import ManagementClient
from mardock.defaults import MAX_WORKERS
from mardock.endpoint import Endpoint, Tokens
from mardock.errors import ApiError, ConfigError, ModelNotFoundError, ServingError, UnansweredError
from mardock.settings.schema import Serving

URL = "http://127.0.0.1:8081"
STATES = ("UNLOADING", "READY")


@pytest.fixture
def client() -> Iterator[ManagementClient]:
    with ManagementClient(
        Endpoint("http://127.0.0.1:8080", URL, credentials=Tokens(management_token="s3cr3t"))
    ) as client:
        yield client


@pytest.mark.parametrize(
    "numbers",
    [
        {"initial_workers": -1},
        {"initial_workers": MAX_WORKERS + 1},
        {"initial_workers": True},
        {"initial_workers": 1, "batch_size": 0},
        {"initial_workers": 1, "max_batch_delay": -10000},
        {"initial_workers": 1, "response_timeout": 0},
        {"initial_workers": 1, "startup_timeout": 2**31},
        {"initial_workers": "1"},
    ],
    ids=str,
)
@responses.activate  # and nothing to answer: a call would fail otherwise than with ConfigError
def test_numbers_torchserve_would_mistreat_are_refused(client: ManagementClient, numbers: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be a whole number"):
        client.register("mnist.mar", **numbers)


@pytest.mark.parametrize(("least", "most"), [(-1, -1), (0, -1), (2, 1), (1, 10**6), ("abc", 1), (1.5, 2)])
@responses.activate
def test_impossible_scales_are_refused(client: ManagementClient, least: Any, most: Any) -> None:
    with pytest.raises(ConfigError):
        client.scale("mnist", least, most)


@responses.activate
def test_names_are_refused_before_a_call(client: ManagementClient) -> None:
    for call in (
        lambda: client.register("mnist.mar", initial_workers=1, model_name="../x"),
        lambda: client.register("/etc", initial_workers=1),
        lambda: client.unregister("a/b"),
        lambda: client.set_default("mnist", ""),
    ):
        with pytest.raises(ConfigError):
            call()


@responses.activate
def test_scale_always_sends_both_bounds_and_synchronous(client: ManagementClient) -> None:
    responses.put(f"{URL}/models/mnist", json={"status": "Workers scaled"})
    responses.get(f"{URL}/models/mnist", json=[described("mnist")])

    client.scale("mnist", 0, 0)

    assert query_of(str(sent("PUT").url)) == {
        "min_worker": "0",
        "max_worker": "0",
        "synchronous": "true",
    }
    assert sent("PUT").headers["Authorization"] == "Bearer s3cr3t"


@responses.activate
def test_as_many_workers_as_the_settings_allow_are_asked_for(client: ManagementClient) -> None:
    allowed = TypeAdapter(Serving).validate_python({"initial_workers": MAX_WORKERS}).initial_workers
    with pytest.raises(ValidationError):
        TypeAdapter(Serving).validate_python({"initial_workers": MAX_WORKERS + 1})
    responses.put(f"{URL}/models/mnist", json={"status": "Workers scaled"})
    responses.get(f"{URL}/models/mnist", json=[described("mnist")])

    client.scale("mnist", 0, allowed)

    assert query_of(str(sent("PUT").url))["max_worker"] == str(MAX_WORKERS)


@responses.activate
def test_register_sends_a_query_and_no_body(client: ManagementClient) -> None:
    responses.get(f"{URL}/models", json={"models": []})
    responses.post(f"{URL}/models", json={"status": "registered"})
    responses.get(f"{URL}/models", json={"models": [{"modelName": "mnist", "modelUrl": "mnist.mar"}]})
    responses.get(f"{URL}/models/mnist/all", json=[described("mnist")])

    responses.get(f"{URL}/models/mnist/1.0", json=[described("mnist")])

    client.register("mnist.mar", initial_workers=2)

    posted = sent("POST")
    assert query_of(str(posted.url)) == {"url": "mnist.mar", "initial_workers": "2", "synchronous": "true"}
    assert not posted.body


@pytest.mark.parametrize(("installs", "least"), [(False, 30 + 7), (True, 3600)])
@responses.activate
def test_pip_gets_the_time_it_takes(client: ManagementClient, least: int, *, installs: bool) -> None:
    responses.get(f"{URL}/models", json={"models": []})
    responses.post(f"{URL}/models", json={"status": "registered"})

    with pytest.raises(ServingError, match="gone again"):
        client.register("mnist.mar", initial_workers=1, startup_timeout=7, installs=installs)

    _, patience = sent("POST").req_kwargs["timeout"]  # type: ignore[attr-defined]
    assert patience >= least
    assert (patience < 60) != installs


@responses.activate
def test_a_look_that_is_not_answered_on_one_connection_is_made_on_another(client: ManagementClient) -> None:
    responses.get(f"{URL}/models/mnist", body=ReadTimeout())
    responses.get(f"{URL}/models/mnist", json=[described("mnist")])
    assert client.describe_default("mnist").version == "1.0"


@responses.activate
def test_a_server_that_stays_silent_is_told_as_that(client: ManagementClient) -> None:
    responses.get(f"{URL}/models/mnist", body=ReadTimeout())
    with pytest.raises(UnansweredError, match="was silent for"):
        client.describe_default("mnist")


@responses.activate
def test_a_synchronous_scale_that_answers_early_is_waited_for(client: ManagementClient) -> None:
    starting, ready = ({"id": "9000", "status": s, "pid": 7, "memoryUsage": 0, "gpu": False} for s in STATES)
    responses.put(f"{URL}/models/mnist", json={"status": "Workers scaled to 1"})
    responses.get(f"{URL}/models/mnist", json=[{**described("mnist"), "maxWorkers": 1, "workers": [starting]}])
    responses.get(f"{URL}/models/mnist", json=[{**described("mnist"), "maxWorkers": 1, "workers": [ready]}])

    assert client.scale("mnist", 1, 1).ready_workers == 1


@responses.activate
def test_a_ghost_is_removed_and_what_stood_before_is_not(client: ManagementClient) -> None:
    listed = {"models": [{"modelName": "mnist", "modelUrl": "mnist.mar"}]}
    responses.get(f"{URL}/models", json=listed)
    responses.get(f"{URL}/models/mnist/all", json=[described("mnist", "1.0")])
    responses.post(f"{URL}/models", status=500, json=error(500, "InternalServerException", "disk full"))
    responses.get(f"{URL}/models/mnist/all", json=[described("mnist", "1.0"), described("mnist", "2.0")])
    removed = responses.delete(f"{URL}/models/mnist/2.0", json={"status": "unregistered"})

    with pytest.raises(ApiError, match="disk full"):
        client.register("mnist.mar", initial_workers=1)

    assert removed.call_count == 1


@responses.activate
def test_a_ghost_that_stays_is_said_beside_the_first_error(client: ManagementClient) -> None:
    responses.get(f"{URL}/models", json={"models": []})
    responses.post(f"{URL}/models", status=500, json=error(500, "InternalServerException", "disk full"))
    responses.get(f"{URL}/models", status=500, json=error(500, "InternalServerException", "no heap"))

    with pytest.raises(ApiError, match="disk full") as raised:
        client.register("mnist.mar", initial_workers=1)

    assert "not cleaned up" in str(raised.value.details)


@responses.activate
def test_an_unknown_model_is_reported_even_when_names_cannot_be_had(client: ManagementClient) -> None:
    responses.get(f"{URL}/models/x/all", status=404, json=error(404, "ModelNotFoundException", "Model not found: x"))
    responses.get(f"{URL}/models", status=500, body="")

    with pytest.raises(ModelNotFoundError, match="Model not found: x"):
        client.describe("x")


def test_an_endpoint_without_the_api_is_refused() -> None:
    with pytest.raises(ConfigError, match="no Management API"):
        ManagementClient(Endpoint("https://models.example"))


def sent(method: str) -> PreparedRequest:
    """Return the one call of this method."""
    (request,) = (call.request for call in responses.calls if call.request.method == method)
    return request


def described(name: str, version: str = "1.0") -> dict[str, object]:
    return {
        "modelName": name,
        "modelVersion": version,
        "modelUrl": f"{name}.mar",
        "runtime": "python",
        "minWorkers": 0,
        "maxWorkers": 0,
        "batchSize": 1,
        "maxBatchDelay": 100,
        "workers": [],
    }


def error(code: int, kind: str, message: str) -> dict[str, object]:
    return {"code": code, "type": kind, "message": message}


def query_of(url: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
