"""`mardock models …`: the Management API by hand."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context, panels
from mardock.cli.show import thread_notes
from mardock.defaults import DRAIN_S, MAX_WORKERS
from mardock.errors import EngineError

if TYPE_CHECKING:
    from mardock.client.management import ManagementClient

models = typer.Typer(
    name="models", help="What is registered: list, describe, scale, set the default, unregister.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    app.add_typer(models, rich_help_panel=panels.SERVED)


Registered = Annotated[str, typer.Argument(help="A registered model.", metavar="MODEL")]
Version = Annotated[str, typer.Argument(help="One of its versions.", metavar="VERSION")]
OneVersion = Annotated[Optional[str], typer.Option("--version", help="One version; every one when left out.")]


def _client() -> ManagementClient:
    from mardock.client.management import ManagementClient

    return ManagementClient(context.endpoint(context.project()))


@models.command("list")
def list_models(as_json: context.Json = False) -> None:
    """List the registered models."""
    with _client() as client:
        found = client.list_models()
    if as_json:
        console.data_json([dataclasses.asdict(model) for model in found])
    else:
        console.table(("MODEL", "URL"), [(model.name, model.url) for model in found])


@models.command()
def describe(model: Registered, version: OneVersion = None, as_json: context.Json = False) -> None:
    """Describe every version of a model and its workers."""
    with _client() as client:
        versions = client.describe(model, version)
    if as_json:
        console.data_json([dataclasses.asdict(status) for status in versions])
        return
    for status in versions:
        console.data(f"{status.name} {status.version}  {status.url}")
        console.data(
            f"  workers {status.ready_workers} READY of {status.min_workers}-{status.max_workers}, "
            f"batch_size {status.batch_size}, max_batch_delay {status.max_batch_delay_ms} ms"
        )
        if status.workers:
            rows = [(w.id, w.status, w.pid, f"{w.memory_bytes / 1e6:.0f} MB") for w in status.workers]
            console.table(("  WORKER", "STATUS", "PID", "MEMORY"), [(f"  {row[0]}", *row[1:]) for row in rows])


@models.command()
def scale(
    model: Registered,
    min_worker: Annotated[int, typer.Option("--min-worker", "-n", min=0, max=MAX_WORKERS, help="Workers to keep.")],
    max_worker: Annotated[
        Optional[int], typer.Option("--max-worker", min=0, max=MAX_WORKERS, help="The same when left out.")
    ] = None,
    version: context.VersionOption = None,
) -> None:
    """Set how many workers a model keeps, and wait until they are READY."""
    from mardock.client.management import ManagementClient

    project = context.project()
    engine = context.running_engine(project)
    with ManagementClient(engine.endpoint()) as client, console.waiting(f"scaling {model} to {min_worker}"):
        before = client.describe(model, version)[0] if version else client.describe_default(model)
        with suppress(EngineError):  # they start all the same
            engine.share_cores(model, min_worker)
        status = client.scale(model, min_worker, min_worker if max_worker is None else max_worker, version)
    workers = "1 worker" if status.ready_workers == 1 else f"{status.ready_workers} workers"
    console.success(f"{model} {status.version}: {workers} READY", f"mardock models describe {model}")
    thread_notes.show(project, engine, model, status.url, status.ready_workers, before.min_workers)


@models.command("set-default")
def set_default(model: Registered, version: Version) -> None:
    """Let a version answer the predictions that name none."""
    with _client() as client:
        client.set_default(model, version)
    console.success(f"{model} is served by version {version}", f"mardock predict {model}")


@models.command()
def unregister(model: Registered, version: OneVersion = None, drain: context.Drain = DRAIN_S) -> None:
    """Remove a model, or one version of it, when its requests are answered; the archive stays in the model store."""
    from mardock import serving
    from mardock.cli.registering import sample_of

    project = context.project()
    server = serving.Server.of(project, context.running_engine(project))
    with console.waiting(f"unregistering {model}"):
        sample = sample_of(project, model)
        drained = serving.unregister(server, model, version, sample=sample, patience=drain)
    if not drained:
        console.warn(f"requests of {model} were cut off; give them more time: --drain SECONDS")
    console.success(f"{model} is no longer served", f"mardock register {model}")
