"""Models and workers as TorchServe's Management API describes them, and the paths that ask for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Optional, TypeVar

from mardock.client.addressing import is_addressable, models_path
from mardock.client.refusals import sanitized
from mardock.errors import ModelNotFoundError, ServingError

GetJson = Callable[[str], object]
"""Fetches a path of the Management API, e.g. `/models?limit=100`, and returns its JSON."""

MAX_JSON_BYTES = 16 * 1024 * 1024
"""More than any TorchServe says of its models; a larger body is not read to its end."""

_PAGE = 100
_T = TypeVar("_T")


@dataclass(frozen=True)
class WorkerStatus:
    """One worker process.

    Attributes:
        id: TorchServe's number for it, also the `9000` of `W-9000-…` in the log; it outlives restarts.
        status: `READY`, or `UNLOADING`, which TorchServe also calls a worker that starts or crash-loops.
        pid: its process, `-1` before the first start.
        memory_bytes: resident memory as of TorchServe's last look; 0 before it.
        gpu: whether it was given a GPU.
    """

    id: str
    status: str
    pid: int
    memory_bytes: int
    gpu: bool

    @property
    def ready(self) -> bool:
        return self.status == "READY"

    @classmethod
    def from_json(cls, answer: object) -> WorkerStatus:
        """Read one entry of `workers`; raises ServingError when it has another shape."""
        return cls(
            id=_field(answer, "id", str),
            status=_field(answer, "status", str),
            pid=_field(answer, "pid", int),
            memory_bytes=_field(answer, "memoryUsage", int),
            gpu=_field(answer, "gpu", bool),
        )


@dataclass(frozen=True)
class ModelStatus:
    """One registered version of a model.

    Attributes:
        url: what it was registered from, e.g. `mnist.mar`.
        min_workers: how many workers TorchServe keeps alive: the wanted number.
        batch_size: requests per call of the handler, at most.
        max_batch_delay_ms: how long a batch waits to fill up.
        response_timeout_s: how long a worker may take to answer; `None` when this TorchServe does not say.
        startup_timeout_s: how long a worker may take to load; `None` like above.
        pending_requests: requests in the job queue now; `None` like above.
        default: whether it answers predictions that name no version; `None` when that was not asked for.
    """

    name: str
    version: str
    url: str
    runtime: str
    min_workers: int
    max_workers: int
    batch_size: int
    max_batch_delay_ms: int
    response_timeout_s: Optional[int]
    startup_timeout_s: Optional[int]
    pending_requests: Optional[int]
    workers: tuple[WorkerStatus, ...]
    default: Optional[bool] = None

    @property
    def ready_workers(self) -> int:
        """How many workers are READY."""
        return sum(worker.ready for worker in self.workers)

    @property
    def ready(self) -> bool:
        """Whether every wanted worker is READY and there is at least one."""
        return self.ready_workers >= max(self.min_workers, 1)

    @classmethod
    def from_json(cls, answer: object) -> ModelStatus:
        """Read one entry of a describe answer; raises ServingError when it has another shape."""
        queue = _optional(answer, "jobQueueStatus", dict)
        return cls(
            name=_field(answer, "modelName", str),
            version=_field(answer, "modelVersion", str),
            url=_field(answer, "modelUrl", str),
            runtime=_field(answer, "runtime", str),
            min_workers=_field(answer, "minWorkers", int),
            max_workers=_field(answer, "maxWorkers", int),
            batch_size=_field(answer, "batchSize", int),
            max_batch_delay_ms=_field(answer, "maxBatchDelay", int),
            response_timeout_s=_optional(answer, "responseTimeout", int),
            startup_timeout_s=_optional(answer, "startupTimeout", int),
            pending_requests=_optional(queue, "pendingRequests", int),
            workers=tuple(WorkerStatus.from_json(worker) for worker in _field(answer, "workers", list)),
        )


@dataclass(frozen=True)
class RegisteredModel:
    """A line of the model list: a name and what its default version was registered from."""

    name: str
    url: str


def fetch_models(get_json: GetJson) -> list[RegisteredModel]:
    """Return every registered model, sorted by name as TorchServe sorts them."""
    found: dict[str, RegisteredModel] = {}
    position: Optional[str] = "0"
    while position is not None:
        answer = get_json(f"/models?limit={_PAGE}&next_page_token={position}")
        models = _field(answer, "models", list)
        for model in models:
            name = _field(model, "modelName", str)
            found[name] = RegisteredModel(name, _field(model, "modelUrl", str))
        # A full last page points at an empty one; a server that repeats itself must not be asked for ever.
        following = _optional(answer, "nextPageToken", str)
        position = following if models and following != position else None
    return list(found.values())


def fetch_versions(get_json: GetJson, model: str, version: Optional[str] = None) -> list[ModelStatus]:
    """Return one version of a model, or all of them."""
    path = f"{models_path(model)}/all" if version is None else models_path(model, version)
    return _statuses(get_json(path), model)


def fetch_everything(get_json: GetJson, *, defaults: bool = False) -> list[ModelStatus]:
    """Return every version of every model that TorchServe itself can find.

    Args:
        defaults: tell each model's default version from the others.
    """
    found: list[ModelStatus] = []
    for model in fetch_models(get_json):
        if not is_addressable(model.name):
            continue
        try:
            versions = fetch_versions(get_json, model.name)
            found += with_default(get_json, versions) if defaults else versions
        except ModelNotFoundError:
            continue  # unregistered since the list was made
    return found


def with_default(get_json: GetJson, versions: list[ModelStatus]) -> list[ModelStatus]:
    """Return all versions of a model with the default one told from the others, which takes asking for it."""
    default = versions[0].version if len(versions) == 1 else fetch_default(get_json, versions[0].name).version
    return [replace(each, default=each.version == default) for each in versions]


def fetch_default(get_json: GetJson, model: str) -> ModelStatus:
    """Return the version that answers when a prediction names none."""
    return _statuses(get_json(models_path(model)), model)[0]


def parse_ping(answer: object) -> str:
    """Return the health in a ping's answer, e.g. `Healthy`; raises ServingError when it is no ping of TorchServe's."""
    return _field(answer, "status", str)


def parse_json(body: bytes) -> object:
    """Parse a body that should be JSON; raises ServingError when it is not."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _strange("JSON", body.decode("utf-8", "replace")) from error


def _statuses(answer: object, model: str) -> list[ModelStatus]:
    if not isinstance(answer, list):
        raise _strange("a list of versions", answer)
    if not answer:
        # TorchServe keeps the empty name of a model it unregistered under a full job queue.
        raise ModelNotFoundError(f"model {model} has no versions", status=404, kind="ModelNotFoundException")
    return [ModelStatus.from_json(entry) for entry in answer]


def _field(answer: object, key: str, kind: type[_T]) -> _T:
    value = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise _strange(f"{key!r} as {kind.__name__}", answer)
    return value


def _optional(answer: object, key: str, kind: type[_T]) -> Optional[_T]:
    """Read what older releases leave out."""
    return _field(answer, key, kind) if isinstance(answer, dict) and key in answer else None


def _strange(expected: str, answer: object) -> ServingError:
    return ServingError(
        f"this server's answer is not TorchServe's: expected {expected}",
        details=sanitized(str(answer)),
        hint="mardock speaks to TorchServe 0.12; check the address and the version",
    )
