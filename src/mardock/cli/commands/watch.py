"""`mardock watch`: serve a model's files as they are saved."""

from __future__ import annotations

from typing import Annotated

import typer

from mardock.cli import context, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.SERVED)(watch)


def watch(
    model: context.ModelArgument = None,
    instant: Annotated[
        bool,
        typer.Option("--instant", help="Let the workers reload code in their own process; for development only."),
    ] = False,
) -> None:
    """Serve a model's files as they are saved, without losing a request; Ctrl-C leaves the last good version."""
    from mardock.cli.show import swap_event
    from mardock.swap.watch import watch as run

    run(context.project(), model, swap_event.show, instant=instant)
