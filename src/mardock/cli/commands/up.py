"""`mardock up`: TorchServe started, and the archived models registered."""

from __future__ import annotations

from typing import Annotated

import typer

from mardock.cli import console, context, panels
from mardock.defaults import START_TIMEOUT_S


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(up)


def up(
    models: Annotated[
        bool, typer.Option("--models/--no-models", help="Register the models whose archives are in the model store.")
    ] = True,
    engine: context.EngineOption = None,
    timeout: context.Timeout = START_TIMEOUT_S,
    as_json: context.Json = False,
) -> None:
    """Start TorchServe and register the archived models."""
    from mardock.cli.show import registrations, server_status
    from mardock.tasks import lifecycle

    project = context.project(engine=engine)
    project.settings.models  # noqa: B018 - a mistake in the settings is told before anything is started
    started = lifecycle.start(project, timeout=timeout, listener=console)
    endpoint = started.endpoint()
    done = []
    if models:
        from mardock.serving import Server
        from mardock.tasks.register import Registrar

        server = Server.of(project, started)
        done = Registrar(project, server, replace=True, listener=console).archived()
    if as_json:
        where = server_status.endpoint_to_dict(endpoint)
        served = [registrations.to_dict(each) for each in done]
        console.data_json({"engine": started.name, "endpoint": where, "models": served})
    registrations.show(done)
    console.success(f"TorchServe listens on {endpoint.inference_url}", then="mardock status")
