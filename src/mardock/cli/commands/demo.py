"""`mardock demo`: the main job from training to predictions."""

from __future__ import annotations

import typer

from mardock.cli import context, panels


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(demo)


def demo(model: context.ModelArgument = None, engine: context.EngineOption = None) -> None:
    """Train, archive, serve, register and predict: the whole way of one model, skipping what is up to date."""
    from mardock.cli import walkthrough

    walkthrough.demo(context.project(engine=engine), model)
