"""`mardock train`: a model's weights brought up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from mardock.cli import console, context, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.BEFORE_SERVED)(train)


def train(
    model: context.ModelArgument = None,
    force: Annotated[bool, typer.Option("--force", help="Train even if the weights are up to date.")] = False,
    engine: context.EngineOption = None,
) -> None:
    """Run the model's training command where torch is, unless its outputs are newer than its inputs."""
    from mardock.tasks import train as task

    project = context.project(engine=engine)
    name, _ = project.settings.model(model)
    code = task.train(project, name, force=force, interactive=context.on_a_terminal(), listener=console)
    if code:
        raise typer.Exit(code)
    console.success(f"{name} is trained", then=f"mardock archive {name}")
