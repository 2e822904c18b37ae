"""`mardock inspect`: what an archive holds and says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mardock.cli import completion, console, context, panels
from mardock.errors import ArchiveError, ConfigError


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.BEFORE_SERVED)(inspect)


def inspect(
    archive: Annotated[
        str,
        typer.Argument(
            help="A .mar, a folder of the same shape, or a model of mardock.toml.", autocompletion=completion.models
        ),
    ],
    sbom: Annotated[bool, typer.Option("--sbom", help="Print its bill of materials as CycloneDX JSON.")] = False,
    as_json: context.Json = False,
) -> None:
    """Show an archive's manifest, members, requirements, what saved its weights and how they were compiled."""
    from mardock.cli.show import inspected
    from mardock.tasks import inspect as task
    from mardock.tasks import sbom as sboms

    path = _path(archive)
    if sbom:
        console.data(sboms.text(path).rstrip())
        return
    found = task.inspect(path)
    if as_json:
        console.data_json(inspected.to_dict(found))
    else:
        inspected.show(found)


def _path(given: str) -> Path:
    """Return the archive an argument stands for; one that is there wins over a model of the same name."""
    path = Path(given)
    if path.suffix == ".mar" or path.is_file() or (path / "MAR-INF").is_dir():
        return path
    try:
        project = context.project()
        name, settings = project.settings.model(given)
    except ConfigError as error:
        if path.exists():  # and is told to be no archive
            return path
        raise ConfigError(f"{given} is neither an archive nor a model: {error.message}", hint=error.hint) from error
    found = project.model_store / f"{settings.archive.model_name}.mar"
    if not found.exists():
        raise ArchiveError(f"{name} is not archived yet", hint=f"mardock archive {name}")
    return found
