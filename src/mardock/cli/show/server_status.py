"""How a project's server is, and the models it serves."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Optional

from mardock.cli import console

if TYPE_CHECKING:
    from mardock.client.model_status import ModelStatus
    from mardock.engines.base import EngineStatus


def as_json(status: EngineStatus, models: Optional[list[ModelStatus]]) -> dict[str, Any]:
    """Return what `status --json` prints; the models are null where the server does not tell them to this user."""
    endpoint = status.endpoint
    return {
        "running": status.running,
        "engine": status.engine,
        "endpoint": {
            "inference_url": endpoint.inference_url,
            "management_url": endpoint.management_url,
            "metrics_url": endpoint.metrics_url,
        }
        if endpoint
        else None,
        "details": status.details,
        "models": None
        if models is None
        else [
            {**dataclasses.asdict(model), "ready": model.ready, "ready_workers": model.ready_workers}
            for model in models
        ],
    }


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
        ("MODEL", "VERSION", "READY", "WORKERS", "BATCH", "QUEUED"),
        [
            (
                model.name,
                model.version,
                "yes" if model.ready else "NO",
                f"{model.ready_workers}/{max(model.min_workers, 1)}",
                model.batch_size,
                "-" if model.pending_requests is None else model.pending_requests,
            )
            for model in models
        ],
    )
