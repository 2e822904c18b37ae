"""`mardock init`: a new project with the example model, or one of the folder that somebody has."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context, panels
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.settings.bare import Made


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(init)


def init(
    folder: Annotated[Path, typer.Argument(help="Where to; made if need be.")] = Path(),
    example: Annotated[
        bool, typer.Option("--example", help="The whole example; what a new or empty folder gets.")
    ] = False,
    bare: Annotated[
        bool, typer.Option("--bare", help="mardock.toml alone; what a folder with files of yours gets.")
    ] = False,
    handler: Annotated[
        Optional[str], typer.Option("--handler", metavar="KIND", help="mardock.toml and a handler to start from.")
    ] = None,
    model: Annotated[
        Optional[str], typer.Option("--model", metavar="NAME", help="The model's name; the folder's when left out.")
    ] = None,
    config: Annotated[
        bool, typer.Option("--config", help="Also TorchServe's configuration, to change what is built in.")
    ] = False,
) -> None:
    """Make a project: a new one with the example model, or one of a folder you have. No file of yours is changed."""
    adding = {"--bare": bare, "--handler": handler, "--model": model, "--config": config}
    given = [option for option, value in adding.items() if value]
    if example and given:
        raise ConfigError(f"--example and {given[0]} exclude each other", hint="leave out one of them")
    if example or (not given and _wants_example(folder)):
        _write_example(folder)
    else:
        _add_to(folder, handler, model, config=config)


def _wants_example(folder: Path) -> bool:
    from mardock.settings import template
    from mardock.settings.root import PROJECT_FILE

    if template.is_vacant(folder):
        return True
    if (folder / PROJECT_FILE).exists():
        return False
    if context.on_a_terminal():
        return console.ask(f"{folder.resolve()} holds files of yours. Write the whole example beside them?")
    console.note(f"{folder} holds files of yours: only mardock.toml is added; --example writes the whole example")
    return False


def _write_example(folder: Path) -> None:
    from mardock.settings import template

    files = template.write_project(folder)
    _tell_by_hand(template.lines_to_add(folder))
    console.success(f"wrote {len(files)} files to {folder}", then=f"cd {shlex.quote(str(folder))} && make demo")


def _add_to(folder: Path, kind: Optional[str], model: Optional[str], *, config: bool) -> None:
    from mardock.settings import bare
    from mardock.settings.starters import starter

    name = model or bare.model_name(folder.resolve().name)
    made = bare.make(folder, model, starter(kind, name) if kind else None, own_config=config)
    _tell_by_hand(made.by_hand)
    told = f"wrote {', '.join(made.written)}" if made.written else "nothing to write: this is a project already"
    if made.found:
        told += f", which names {' and '.join(made.found)}, for nothing else here looked like it"
    console.success(told, _next(folder, made, kind))


def _next(folder: Path, made: Made, kind: Optional[str]) -> str:
    """Return what to do with the project that was made."""
    from mardock.settings.root import PROJECT_FILE

    name = made.model if made.model in made.models or PROJECT_FILE in made.by_hand else next(iter(made.models), None)
    if name is None:
        return f"name your model's handler in {folder / PROJECT_FILE}, then mardock archive && mardock up"
    there = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(os.fspath(folder))}"]
    steps = " && ".join([*there, f"mardock try {name}" if kind else f"mardock archive {name} && mardock up"])
    return f"add the lines above, then {steps}" if PROJECT_FILE in made.by_hand else steps


def _tell_by_hand(lines: Mapping[str, str]) -> None:
    for file, text in lines.items():
        console.warn(f"{file} is yours and stays as it is; add to it:")
        console.note(f"\n{text.rstrip()}\n")
