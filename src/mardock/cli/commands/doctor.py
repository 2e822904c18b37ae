"""`mardock doctor`: what is missing here, and how to mend it."""

from __future__ import annotations

from typing import Annotated

import typer

from mardock.cli import console, context, host_only, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(doctor)


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
