"""`mardock up`: TorchServe started, and the archived models registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mardock.cli import console, context, panels
from mardock.defaults import START_TIMEOUT_S

if TYPE_CHECKING:
    from mardock.endpoint import Endpoint
    from mardock.settings.project import Project


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(up)


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
