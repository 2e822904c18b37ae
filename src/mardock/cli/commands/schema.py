"""`mardock schema`: what mardock.toml may hold, for editors."""

from __future__ import annotations

import typer

from mardock.cli import console, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(schema)


def schema() -> None:
    """Print the JSON Schema of mardock.toml, for editors that complete and check TOML."""
    from mardock.settings import json_schema

    console.data(json_schema.text().rstrip("\n"))
