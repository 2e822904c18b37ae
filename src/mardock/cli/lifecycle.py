"""The server's commands: up, down, status, logs."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mardock.cli import console, context
from mardock.defaults import START_TIMEOUT_S
from mardock.errors import EngineError

if TYPE_CHECKING:
    from mardock.client.model_status import ModelStatus
    from mardock.endpoint import Endpoint
    from mardock.engines.base import Engine, EngineStatus
    from mardock.settings.project import Project

PANEL = "Engine and project"
PROBE_TIMEOUT_S = 2.0


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    for command in (up, down, status, logs):
        app.command(rich_help_panel=PANEL)(command)


def up(
    models: Annotated[
        bool, typer.Option("--models/--no-models", help="Register the models whose archives are in the model store.")
    ] = True,
    engine: context.EngineOption = None,
    timeout: context.Timeout = START_TIMEOUT_S,
) -> None:
    """Start TorchServe and register the archived models."""
    from mardock.cli import registering

    project = context.project(engine=engine)
    project.settings.models  # noqa: B018 - a mistake in the settings is told before anything is started
    endpoint = start(project, timeout)
    if models:
        registering.archived(project)
    console.success(f"TorchServe listens on {endpoint.inference_url}", then="mardock status")


def start(project: Project, timeout: float) -> Endpoint:
    """Start the project's server, or find it running."""
    chosen = context.engine(project)
    with console.waiting(f"starting TorchServe ({chosen.name})"):
        return chosen.up(timeout=timeout)


def down() -> None:
    """Stop everything that was started; nothing running is no error."""
    from mardock.engines import select

    started = select.started(context.project())
    for engine in started:
        with console.waiting(f"stopping what runs on the {engine.name} engine"):
            engine.down()
    console.success("stopped" if started else "nothing is running", then="mardock up")


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
    from mardock.serving.diagnosis import explain_deaths

    for model in unready:
        with suppress(EngineError):  # without its log there is nothing to tell
            cause = explain_deaths(engine, model.name, model.version)
            if cause is not None:
                console.error(cause)


def logs(
    model: context.ModelArgument = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    tail: Annotated[int, typer.Option("--tail", help="Lines from the end; -1 for all.")] = 100,
    errors: Annotated[bool, typer.Option("--errors", help="Only what went wrong, newest last.")] = False,
) -> None:
    """Show TorchServe's log, or one model's own lines of it."""
    from mardock.causes import failures

    lines = context.engine(context.project()).logs(follow=follow, tail=tail)
    for line in failures.selected(lines, model=model, errors=errors):
        console.data(line, flush=follow)


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
