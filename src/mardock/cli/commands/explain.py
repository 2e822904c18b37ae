"""`mardock explain`: what a model's handler says of its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mardock.cli import console, context, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.SERVED)(explain)


def explain(
    model: Annotated[str, typer.Argument(help="A registered model.")],
    file: Annotated[Path, typer.Argument(help="What to send.")],
    version: context.VersionOption = None,
) -> None:
    """Ask a model's handler to explain its answer to one file."""
    from mardock.tasks import predict

    console.data_bytes(predict.explain(context.project(), model, file, version=version))
