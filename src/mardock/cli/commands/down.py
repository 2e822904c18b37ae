"""`mardock down`: everything that was started, stopped."""

from __future__ import annotations

import typer

from mardock.cli import console, context, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(down)


def down() -> None:
    """Stop everything that was started; nothing running is no error."""
    from mardock.engines import select

    started = select.started(context.project())
    for engine in started:
        with console.waiting(f"stopping what runs on the {engine.name} engine"):
            engine.down()
    console.success("stopped" if started else "nothing is running", then="mardock up")
