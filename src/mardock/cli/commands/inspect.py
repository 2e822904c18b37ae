"""`mardock inspect`: what an archive holds and says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mardock.cli import console, context, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.BEFORE_SERVED)(inspect)


def inspect(
    archive: Annotated[Path, typer.Argument(help="A .mar, or a folder of the same shape.")],
    sbom: Annotated[bool, typer.Option("--sbom", help="Print its bill of materials as CycloneDX JSON.")] = False,
    as_json: context.Json = False,
) -> None:
    """Show an archive's manifest, members, requirements, what saved its weights and how they were compiled."""
    from mardock.cli.show import inspected
    from mardock.tasks import inspect as task
    from mardock.tasks import sbom as sboms

    if sbom:
        console.data(sboms.text(archive).rstrip())
        return
    found = task.inspect(archive)
    if as_json:
        console.data_json(inspected.to_dict(found))
    else:
        inspected.show(found)
