"""`mardock logs`: TorchServe's log, or one model's own lines of it."""

from __future__ import annotations

from typing import Annotated

import typer

from mardock.cli import console, context, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(logs)


def logs(
    model: context.ModelArgument = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    tail: Annotated[
        int, typer.Option("--tail", "-n", metavar="N", help="The last N of these lines; -1 for all.")
    ] = 100,
    errors: Annotated[bool, typer.Option("--errors", help="Only what went wrong, newest last.")] = False,
) -> None:
    """Show TorchServe's log, or one model's own lines of it."""
    from mardock.engines import select
    from mardock.tasks import logs as task

    project = context.project()
    engine = select.running_or_new(project, console)
    for line in task.lines(project, engine, model=model, errors=errors, follow=follow, tail=tail):
        console.data(line, flush=follow)
