"""`mardock register`: a model on TorchServe, its workers READY."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from mardock.cli import console, context, panels
from mardock.defaults import DRAIN_S, LINKED_ABOVE, MAX_WORKERS


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.SERVED)(register)


def register(
    model: context.ModelArgument = None,
    every: Annotated[
        bool, typer.Option("--all", help="All models of mardock.toml; one failure does not stop the rest.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a version that holds another archive.")] = False,
    unpacked: Annotated[
        bool,
        typer.Option(
            "--unpacked",
            help="Serve the project's files as they are now; no archive is written. "
            f"Files over {LINKED_ABOVE >> 20} MiB are hard links: "
            "train into a new file, for what is written into the old one reaches workers that start later.",
        ),
    ] = False,
    num_workers: Annotated[
        Optional[int], typer.Option("--num-workers", min=0, max=MAX_WORKERS, help="Workers, instead of mardock.toml's.")
    ] = None,
    model_url: Annotated[
        Optional[str], typer.Option("--model-url", help="An archive in the model store, instead of MODEL's own.")
    ] = None,
    tserve_url: Annotated[
        Optional[str], typer.Option("--tserve-url", help="Another TorchServe, e.g. http://localhost.")
    ] = None,
    models_port: Annotated[
        Optional[int], typer.Option("--models-port", min=1, max=65535, help="The port of its Management API.")
    ] = None,
    drain: context.Drain = DRAIN_S,
    engine: context.EngineOption = None,
    as_json: context.Json = False,
) -> None:
    """Register a model and return when its workers are READY."""
    from mardock.cli.show import registrations
    from mardock.tasks import register as task

    project = context.project(engine=engine)
    done = task.register(
        project,
        model,
        every=every,
        server_url=tserve_url,
        management_port=models_port,
        archive=model_url,
        workers=num_workers,
        unpacked=unpacked,
        replace=replace,
        patience=drain,
        listener=console,
    )
    if as_json:
        console.data_json({"models": [registrations.to_dict(each) for each in done]})
    registrations.show(done)
