"""`mardock init`: a new project with the example model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mardock.cli import console, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(init)


def init(folder: Annotated[Path, typer.Argument(help="Where to; made if need be.")]) -> None:
    """Write a new project with the example model."""
    from mardock.settings.template import write_project

    files = write_project(folder)
    console.success(f"wrote {len(files)} files to {folder}", then=f"cd {shlex.quote(str(folder))} && make demo")
