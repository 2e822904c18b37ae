"""`mardock down`: everything that was started, stopped."""

from __future__ import annotations

import typer

from mardock.cli import console, context, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(down)


def down(as_json: context.Json = False) -> None:
    """Stop everything that was started; nothing running is no error."""
    from mardock.tasks import lifecycle

    stopped = lifecycle.stop(context.project(), listener=console)
    if as_json:
        console.data_json({"stopped": stopped})
    console.success("stopped" if stopped else "nothing is running", then="mardock up")
