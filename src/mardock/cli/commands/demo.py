"""`mardock demo`: the main job from training to predictions, each step skipped while it is up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mardock.cli import console, context, panels

if TYPE_CHECKING:
    from mardock.endpoint import Endpoint
    from mardock.settings.project import Project

_SAMPLES = 10
_RIGHT = 0.9  # of them, at least
_START_TIMEOUT_S = 180.0


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(demo)


def demo(model: context.ModelArgument = None, engine: context.EngineOption = None) -> None:
    """Train, archive, serve, register and predict: the whole way of one model, skipping what is up to date."""
    from mardock.cli.show import registrations
    from mardock.serving import Server
    from mardock.tasks import lifecycle
    from mardock.tasks.register import Registrar
    from mardock.tasks.train import train

    project = context.project(engine=engine)
    name, settings = project.settings.model(model)
    if settings.train:
        code = train(project, name, interactive=context.on_a_terminal(), listener=console)
        if code:
            raise typer.Exit(code)
    _archive(project, name)
    server = Server.of(project, lifecycle.start(project, timeout=_START_TIMEOUT_S, listener=console))
    registrations.show([Registrar(project, server, replace=True, listener=console).one(name)])
    _predict(project, name, server.endpoint)
    console.success(f"{name} is served", then="mardock status, or stop everything: mardock down")


def _archive(project: Project, name: str) -> None:
    """Archive a model where torch is."""
    from mardock.engines import select
    from mardock.errors import ServingError
    from mardock.tasks.archive import archive, is_made_here

    engine = select.where_torch_is(project, console)
    if not is_made_here(project, name, engine):
        written = project.model_store / f"{project.settings.models[name].archive.model_name}.mar"
        code = engine.exec(["mardock", "archive", name], interactive=False, writes=[written])
        if code != 0:
            raise ServingError(f"archiving {name} in the dev container failed", hint="its own message stands above")
        return
    done = archive(project, name, imports=engine.torch_is_here, listener=console)
    shown = done.archive.path.relative_to(project.root)
    console.note(f"{shown}: {'written' if done.changed else 'up to date'}")


def _predict(project: Project, name: str, endpoint: Endpoint) -> None:
    """Predict some samples, and say how to send one by hand; raises ServingError when too many came out wrong."""
    from mardock.cli.show import answers as shown
    from mardock.errors import ServingError
    from mardock.tasks import requests, samples
    from mardock.tasks.predict import predict

    served = project.settings.models[name].archive.model_name
    files = samples.some(samples.to_send(project, name, []), _SAMPLES)
    answers = predict(project, served, requests.of_files(project, name, files), listener=console)
    shown.raise_first_failure(answers)
    console.data("")
    shown.show_labels(answers)
    sample = files[0].relative_to(project.root)
    console.data(f"\nTorchServe listens on {endpoint.inference_url} (management on {endpoint.management_url}). Try:\n")
    console.data(f"    curl {endpoint.inference_url}/predictions/{served} -T {sample}\n")
    if sum(answer.right for answer in answers) < _RIGHT * len(answers):
        raise ServingError(f"{name} got too many samples wrong", hint=f"mardock train {name} --force")
