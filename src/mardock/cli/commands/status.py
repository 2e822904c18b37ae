"""`mardock status`: the server and its models."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Optional

import typer

from mardock.cli import console, context, panels
from mardock.errors import EngineError

if TYPE_CHECKING:
    from mardock.client.model_status import ModelStatus
    from mardock.engines.base import Engine

PROBE_TIMEOUT_S = 2.0


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(status)


def status(as_json: context.Json = False) -> None:
    """Show the server and its models; exits with 3 when it is down, with 5 when a model's workers are not all READY."""
    from mardock.engines import select
    from mardock.errors import ApiError, EngineNotRunningError, WorkerFailedError

    running = select.running(context.project())
    if running is None:
        if not as_json:
            raise select.not_running(context.project())
        console.data_json({"running": False, "engine": None, "endpoint": None, "details": {}, "models": []})
        raise typer.Exit(EngineNotRunningError.exit_code)
    from mardock.cli.show import server_status
    from mardock.client import probe

    found = running.status()
    models: Optional[list[ModelStatus]] = []
    try:
        models = probe.models(found.endpoint, timeout=PROBE_TIMEOUT_S) if found.endpoint else []
    except ApiError:
        if "tokens" not in found.details:
            raise
        models = None  # another user's server tells them to nobody else
    if as_json:
        console.data_json(server_status.as_json(found, models))
    else:
        server_status.show(found, models)
        _tell_of_crash_loops(running, models or [])
    if models is None:
        running.endpoint()  # raises what keeps it from having the tokens, unless they are there by now
        raise typer.Exit(EngineNotRunningError.exit_code)
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
