"""Describe and list answers: parsed when they are TorchServe's, refused in words when they are not."""

from __future__ import annotations

import pytest

from mardock.client.model_status import (
    ModelStatus,
    RegisteredModel,
    fetch_everything,
    fetch_models,
    fetch_versions,
    parse_json,
)
from mardock.errors import ModelNotFoundError, ServingError

WORKER = {"id": "9000", "status": "READY", "pid": 7, "memoryUsage": 1024, "gpu": False, "gpuUsage": "N/A"}
MODEL: dict[str, object] = {
    "modelName": "mnist",
    "modelVersion": "1.0",
    "modelUrl": "mnist.mar",
    "runtime": "python",
    "minWorkers": 2,
    "maxWorkers": 2,
    "batchSize": 1,
    "maxBatchDelay": 100,
    "responseTimeout": 120,
    "startupTimeout": 120,
    "workers": [WORKER, {**WORKER, "id": "9001", "status": "UNLOADING", "pid": -1}],
    "jobQueueStatus": {"remainingCapacity": 97, "pendingRequests": 3},
}


def test_ready_needs_every_wanted_worker() -> None:
    status = ModelStatus.from_json(MODEL)

    assert (status.ready_workers, status.ready, status.pending_requests) == (1, False, 3)
    assert ModelStatus.from_json({**MODEL, "minWorkers": 1}).ready
    assert not ModelStatus.from_json({**MODEL, "minWorkers": 0, "workers": []}).ready


def test_what_older_releases_leave_out_is_unknown() -> None:
    older = {key: value for key, value in MODEL.items() if key not in ("startupTimeout", "jobQueueStatus")}

    status = ModelStatus.from_json(older)

    assert (status.startup_timeout_s, status.pending_requests) == (None, None)


@pytest.mark.parametrize("key", ["modelName", "modelVersion", "minWorkers", "workers"])
def test_a_missing_field_is_named(key: str) -> None:
    with pytest.raises(ServingError, match=f"expected '{key}'"):
        ModelStatus.from_json({name: value for name, value in MODEL.items() if name != key})


@pytest.mark.parametrize("answer", [{}, "text", None, 7, [None], [[]], [{"modelName": 1}]])
def test_answers_of_another_shape_are_refused(answer: object) -> None:
    with pytest.raises(ServingError, match="not TorchServe's"):
        fetch_versions(lambda path: answer, "mnist")


def test_the_husk_of_a_model_is_no_model() -> None:
    with pytest.raises(ModelNotFoundError, match="mnist has no versions"):
        fetch_versions(lambda path: [], "mnist")


def test_pages_are_read_to_the_empty_one() -> None:
    pages = {
        "/models?limit=100&next_page_token=0": {"nextPageToken": "100", "models": [entry("a"), entry("b")]},
        "/models?limit=100&next_page_token=100": {"nextPageToken": "200", "models": [entry("b"), entry("c")]},
        "/models?limit=100&next_page_token=200": {"models": []},
    }

    assert fetch_models(pages.__getitem__) == [RegisteredModel(name, f"{name}.mar") for name in "abc"]


def test_a_server_that_repeats_a_page_is_not_asked_for_ever() -> None:
    asked: list[str] = []

    def get_json(path: str) -> object:
        asked.append(path)
        return {"nextPageToken": "5", "models": [entry("a")]}

    fetch_models(get_json)

    assert len(asked) == 2


def test_models_that_are_gone_or_cannot_be_addressed_hide_no_others() -> None:
    def get_json(path: str) -> object:
        if path.startswith("/models?"):
            return {"models": [entry("../x"), entry("gone"), entry("mnist")]}
        if path == "/models/mnist/all":
            return [MODEL]
        raise ModelNotFoundError("Model not found: gone", status=404)

    assert fetch_everything(get_json) == [ModelStatus.from_json(MODEL)]


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ServingError, match="expected JSON"):
        parse_json(body)


def entry(name: str) -> dict[str, str]:
    return {"modelName": name, "modelUrl": f"{name}.mar"}
