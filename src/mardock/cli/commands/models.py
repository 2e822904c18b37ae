"""`mardock models …`: the Management API by hand."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context, panels
from mardock.defaults import DRAIN_S, MAX_WORKERS

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
    from mardock.engines import select

    return ManagementClient(select.needed(context.project()).endpoint())


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
    from mardock.cli.show import thread_note
    from mardock.tasks import models as tasks

    done = tasks.scale(context.project(), model, min_worker, most=max_worker, version=version, listener=console)
    status = done.status
    workers = "1 worker" if status.ready_workers == 1 else f"{status.ready_workers} workers"
    console.success(f"{model} {status.version}: {workers} READY", f"mardock models describe {model}")
    if done.threads is not None:
        console.warn(thread_note.sentence(done.threads))


@models.command("set-default")
def set_default(model: Registered, version: Version) -> None:
    """Let a version answer the predictions that name none."""
    from mardock.tasks import models as tasks

    tasks.set_default(context.project(), model, version)
    console.success(f"{model} is served by version {version}", f"mardock predict {model}")


@models.command()
def unregister(model: Registered, version: OneVersion = None, drain: context.Drain = DRAIN_S) -> None:
    """Remove a model, or one version of it, when its requests are answered; the archive stays in the model store."""
    from mardock.tasks import models as tasks

    if not tasks.unregister(context.project(), model, version, patience=drain, listener=console):
        console.warn(f"requests of {model} were cut off; give them more time: --drain SECONDS")
    console.success(f"{model} is no longer served", f"mardock register {model}")
