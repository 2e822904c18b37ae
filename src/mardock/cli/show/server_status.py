"""How a project's server is, the models it serves and their workers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Optional

from mardock.cli import console

if TYPE_CHECKING:
    from mardock.client.model_status import ModelStatus
    from mardock.endpoint import Endpoint
    from mardock.engines.base import EngineStatus


def as_json(status: EngineStatus, models: Optional[list[ModelStatus]]) -> dict[str, Any]:
    """Return what `status --json` prints; the models are null where the server does not tell them to this user."""
    endpoint = status.endpoint
    return {
        "running": status.running,
        "engine": status.engine,
        "endpoint": endpoint_to_dict(endpoint) if endpoint else None,
        "details": status.details,
        "models": None if models is None else [model_to_dict(model) for model in models],
    }


def endpoint_to_dict(endpoint: Endpoint) -> dict[str, str]:
    """Return what JSON tells of where a server listens."""
    names = ("inference_url", "management_url", "metrics_url")
    return {name: getattr(endpoint, name) for name in names}


def model_to_dict(model: ModelStatus) -> dict[str, Any]:
    """Return what JSON tells of a version."""
    return {**dataclasses.asdict(model), "ready": model.ready, "ready_workers": model.ready_workers}


def show_version(status: ModelStatus) -> None:
    """Print a version and a row per worker."""
    default = "  (default)" if status.default else ""
    console.data(f"{status.name} {status.version}{default}  {status.url}")
    console.data(
        f"  workers {status.ready_workers} READY of {status.min_workers}-{status.max_workers}, "
        f"batch_size {status.batch_size}, max_batch_delay {status.max_batch_delay_ms} ms"
    )
    if status.workers:
        rows = [(w.id, w.status, w.pid, f"{w.memory_bytes / 1e6:.0f} MB") for w in status.workers]
        console.table(("  WORKER", "STATUS", "PID", "MEMORY"), [(f"  {row[0]}", *row[1:]) for row in rows])


def show(status: EngineStatus, models: Optional[list[ModelStatus]]) -> None:
    """Print its details and a row per model; none where the models are not known."""
    rows: list[tuple[str, Optional[str]]] = [("engine", status.engine), *status.details.items()]
    if status.endpoint:
        rows += [
            ("inference", status.endpoint.inference_url),
            ("management", status.endpoint.management_url),
            ("metrics", status.endpoint.metrics_url),
        ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        console.data(f"{name.ljust(width)}  {value}")
    if models is None:
        return
    console.data("")
    if not models:
        console.data("no models registered")
        return
    console.table(
        ("MODEL", "VERSION", "DEFAULT", "READY", "WORKERS", "BATCH", "QUEUED"),
        [
            (
                model.name,
                model.version,
                "yes" if model.default else "-",
                "yes" if model.ready else "NO",
                f"{model.ready_workers}/{max(model.min_workers, 1)}",
                model.batch_size,
                "-" if model.pending_requests is None else model.pending_requests,
            )
            for model in models
        ],
    )
