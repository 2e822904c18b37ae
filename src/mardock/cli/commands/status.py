"""`mardock status`: the server and its models."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Optional

import typer

from mardock.cli import console, context, panels

if TYPE_CHECKING:
    from mardock.client.model_status import ModelStatus
    from mardock.engines.base import Engine, EngineStatus

PROBE_TIMEOUT_S = 2.0


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(status)


def status(as_json: context.Json = False) -> None:
    """Show the server and its models; exits with 3 when it is down, with 5 when a model's workers are not all READY."""
    from mardock.engines import select
    from mardock.errors import EngineNotRunningError, WorkerFailedError

    running = select.running(context.project())
    if running is None:
        if not as_json:
            raise select.not_running(context.project())
        console.data_json({"running": False, "engine": None, "endpoint": None, "details": {}, "models": []})
        raise typer.Exit(EngineNotRunningError.exit_code)
    from mardock.client import probe

    found = running.status()
    models = probe.models(found.endpoint, timeout=PROBE_TIMEOUT_S) if found.endpoint else []
    if as_json:
        console.data_json(_as_json(found, models))
    else:
        _show(found, models)
        _tell_of_crash_loops(running, models)
    if not all(model.ready for model in models):
        raise typer.Exit(WorkerFailedError.exit_code)


def _tell_of_crash_loops(engine: Engine, models: list[ModelStatus]) -> None:
    unready = [model for model in models if not model.ready]
    if not unready:
        return
    from mardock.swap import crash_loop

    for model in unready:
        cause = crash_loop.find(engine, model, {})
        if cause is not None:
            console.error(cause)


def _as_json(status: EngineStatus, models: list[ModelStatus]) -> dict[str, Any]:
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
        "models": [
            {**dataclasses.asdict(model), "ready": model.ready, "ready_workers": model.ready_workers}
            for model in models
        ],
    }


def _show(status: EngineStatus, models: list[ModelStatus]) -> None:
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
