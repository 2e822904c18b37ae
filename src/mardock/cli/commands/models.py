"""`mardock models …`: the Management API by hand."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Optional

import typer

from mardock.cli import completion, console, context, panels
from mardock.defaults import DRAIN_S, MAX_WORKERS
from mardock.errors import ConfigError

models = typer.Typer(
    name="models", help="What is registered: list, describe, scale, set the default, unregister.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    app.add_typer(models, rich_help_panel=panels.SERVED)


Registered = Annotated[
    str, typer.Argument(help="A registered model.", metavar="MODEL", autocompletion=completion.served)
]
Version = Annotated[
    str, typer.Argument(help="One of its versions.", metavar="VERSION", autocompletion=completion.versions)
]
OneVersion = Annotated[
    Optional[str],
    typer.Option("--version", help="One version; every one when left out.", autocompletion=completion.versions),
]


Workers = Annotated[Optional[int], typer.Argument(min=0, max=MAX_WORKERS, help="How many it keeps.", metavar="WORKERS")]
MinWorker = Annotated[
    Optional[int],
    typer.Option("--min-worker", "-n", min=0, max=MAX_WORKERS, help="The same as WORKERS, as an option."),
]


@models.command("list")
def list_models(as_json: context.Json = False) -> None:
    """List the registered models and which version of each answers predictions that name none."""
    from mardock.tasks import models as tasks

    found = tasks.registered(context.project())
    if as_json:
        console.data_json([dataclasses.asdict(model) for model in found])
    else:
        rows = [(model.name, model.default_version or "-", model.url) for model in found]
        console.table(("MODEL", "DEFAULT VERSION", "URL"), rows)


@models.command()
def describe(model: Registered, version: OneVersion = None, as_json: context.Json = False) -> None:
    """Describe every version of a model and its workers."""
    from mardock.cli.show import server_status
    from mardock.tasks import models as tasks

    versions = tasks.describe(context.project(), model, version)
    if as_json:
        console.data_json([server_status.model_to_dict(status) for status in versions])
        return
    for status in versions:
        server_status.show_version(status)


@models.command()
def scale(
    model: Registered,
    workers: Workers = None,
    min_worker: MinWorker = None,
    max_worker: Annotated[
        Optional[int], typer.Option("--max-worker", min=0, max=MAX_WORKERS, help="The same when left out.")
    ] = None,
    version: context.VersionOption = None,
    as_json: context.Json = False,
) -> None:
    """Set how many workers a model keeps, and wait until they are READY."""
    from mardock.cli.show import thread_note
    from mardock.tasks import models as tasks

    wanted = _wanted(model, workers, min_worker)
    done = tasks.scale(context.project(), model, wanted, most=max_worker, version=version, listener=console)
    status = done.status
    plural = "1 worker" if status.ready_workers == 1 else f"{status.ready_workers} workers"
    if as_json:
        shown = ("min_workers", "max_workers", "ready_workers")
        told = {name: getattr(status, name) for name in shown}
        console.data_json({"model": status.name, "version": status.version, **told})
    console.success(f"{model} {status.version}: {plural} READY", f"mardock models describe {model}")
    if done.threads is not None:
        console.warn(thread_note.sentence(done.threads))


def _wanted(model: str, workers: Optional[int], option: Optional[int]) -> int:
    """Return how many workers are wanted; raises ConfigError when nothing says so, or two things do."""
    wanted = option if workers is None else workers
    if wanted is None or (option is not None and option != wanted):
        said = "how many workers?" if wanted is None else f"{workers} workers, or {option}?"
        raise ConfigError(said, hint=f"mardock models scale {model} 2")
    return wanted


@models.command("set-default")
def set_default(model: Registered, version: Version, as_json: context.Json = False) -> None:
    """Let a version answer the predictions that name none."""
    from mardock.tasks import models as tasks

    tasks.set_default(context.project(), model, version)
    if as_json:
        console.data_json({"model": model, "default_version": version})
    console.success(f"{model} is served by version {version}", f"mardock predict {model}")


@models.command()
def unregister(
    model: Registered,
    version: OneVersion = None,
    drain: context.Drain = DRAIN_S,
    as_json: context.Json = False,
) -> None:
    """Remove a model, or one version of it, when its requests are answered; the archive stays in the model store."""
    from mardock.tasks import models as tasks

    drained = tasks.unregister(context.project(), model, version, patience=drain, listener=console)
    if not drained:
        console.warn(f"requests of {model} were cut off; give them more time: --drain TIME")
    if as_json:
        console.data_json({"model": model, "version": version, "drained": drained})
    console.success(f"{model} is no longer served", f"mardock register {model}")
