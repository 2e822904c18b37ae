"""The commands around a project: init, doctor, demo."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mardock.cli import console, context, host_only

PANEL = "Engine and project"


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    for command in (init, doctor, demo):
        app.command(rich_help_panel=PANEL)(command)


def init(folder: Annotated[Path, typer.Argument(help="Where to; made if need be.")]) -> None:
    """Write a new project with the example model."""
    from mardock.settings.template import write_project

    files = write_project(folder)
    console.success(f"wrote {len(files)} files to {folder}", then=f"cd {shlex.quote(str(folder))} && make demo")


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without asking.")] = False,
    as_json: context.Json = False,
) -> None:
    """Check this machine and this project, and say how to mend what is missing; exits with 3 when no engine can run."""
    from mardock.errors import EngineNotFoundError
    from mardock.tasks.doctor import all_checks

    found = all_checks(context.project(), fix=fix)
    hints = [check.hint and host_only.told(check.hint) for check in found]
    if as_json:
        console.data_json([{**check.to_dict(), "hint": hint} for check, hint in zip(found, hints)])
    else:
        for check, hint in zip(found, hints):
            console.data(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.finding}")
            if hint and not check.ok:
                console.data(f"      {hint}")
    if not any(check.ok for check in found if check.engine):
        raise typer.Exit(EngineNotFoundError.exit_code)


def demo(model: context.ModelArgument = None, engine: context.EngineOption = None) -> None:
    """Train, archive, serve, register and predict: the whole way of one model, skipping what is up to date."""
    from mardock.cli import walkthrough

    walkthrough.demo(context.project(engine=engine), model)
