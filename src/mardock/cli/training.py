"""Train a model, with this terminal for its command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import typer

from mardock.cli import console, context

if TYPE_CHECKING:
    from mardock.settings.project import Project


def train(project: Project, model: Optional[str], *, force: bool) -> str:
    """Bring a model's weights up to date and return the model's name; see `tasks.train`."""
    from mardock.tasks.train import train as bring_up_to_date

    name, _ = project.settings.model(model)
    code = bring_up_to_date(project, name, force=force, interactive=context.on_a_terminal(), listener=console)
    if code:
        raise typer.Exit(code)
    return name
