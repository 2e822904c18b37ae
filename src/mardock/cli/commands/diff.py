"""`mardock diff`: what differs between two archives, or an archive and the project's files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mardock.cli import console, context, panels
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.archive.contents import Contents

DIFFERS = 7
"""The exit code of `diff --exit-code` when there is a difference; 1 is kept for bugs, and those up to 6 for errors."""


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.BEFORE_SERVED)(diff)


def diff(
    before: Annotated[str, typer.Argument(help="An archive, a folder of the same shape, or a model of mardock.toml.")],
    after: Annotated[str, typer.Argument(help="Another one; a model stands for the project's files as they are.")],
    exit_code: Annotated[bool, typer.Option("--exit-code", help=f"End with {DIFFERS} if they differ.")] = False,
    as_json: context.Json = False,
) -> None:
    """Show what differs between two archives, or an archive and the project's files."""
    from mardock.archive.diff import compare
    from mardock.cli.show import difference

    found = compare(_contents(before), _contents(after))
    if as_json:
        console.data_json({"same": not found, **dataclasses.asdict(found)})
    else:
        difference.show(found)
    if found and exit_code:
        raise typer.Exit(DIFFERS)


def _contents(given: str) -> Contents:
    """Return what an argument stands for; a path wins over a model of the same name."""
    from mardock.archive import contents

    path = Path(given)
    if path.exists() or path.suffix == ".mar":
        return contents.of_archive(path)
    try:
        project = context.project()
        _, settings = project.settings.model(given)
    except ConfigError as error:
        raise ConfigError(f"{given} is neither an archive nor a model: {error.message}", hint=error.hint) from error
    return contents.of_project(settings.archive, project.root)
