"""The commands for one served model: register, predict, explain, metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from mardock.cli import console, context
from mardock.cli.deploy_options import Behind, Elsewhere, Target
from mardock.defaults import ANSWER_TIMEOUT_S, DRAIN_S, MAX_WORKERS
from mardock.errors import ConfigError

PANEL = "One model, served"

Version = Annotated[Optional[str], typer.Option("--version", help="A version; the default one when left out.")]
Files = Annotated[
    Optional[list[Path]],
    typer.Argument(help="Files, or folders of files; the model's sample when left out.", metavar="[FILES]…"),
]


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    for command in (register, predict, explain, metrics):
        app.command(rich_help_panel=PANEL)(command)


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
            help="Serve the project's files as they are now; no archive is written. Files over 64 MiB are hard links: "
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
) -> None:
    """Register a model and return when its workers are READY."""
    from mardock.cli import registering

    project = context.project(engine=engine)
    server = registering.server(project, tserve_url, models_port)
    if unpacked and (every or model_url or server.engine is None):
        raise ConfigError(
            "--unpacked is for one model's own files and this project's own server", hint="mardock register --help"
        )
    if every:
        registering.every(project, server, replace=replace, patience=drain)
        return
    registering.one(
        project,
        server,
        model,
        url=model_url,
        workers=num_workers,
        replace=replace,
        patience=drain,
        unpacked=unpacked,
    )


def predict(
    model: Annotated[
        Optional[str], typer.Argument(help="A registered model; may be left out when there is one.", metavar="[MODEL]")
    ] = None,
    files: Files = None,
    version: Version = None,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="Print Predicted and Actual; the label is the character before the extension."),
    ] = False,
    pick: Annotated[
        Optional[int],
        typer.Option("--random", min=1, help="Send that many of the files, picked at random.", metavar="N"),
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=256, help="Requests under way at once.")] = 1,
    content_type: Annotated[Optional[str], typer.Option("--content-type", help="Sent with each file.")] = None,
    grpc: Annotated[bool, typer.Option("--grpc", help="Ask over gRPC.")] = False,
    timeout: context.Timeout = ANSWER_TIMEOUT_S,
    endpoint: Elsewhere = None,
    deployment: Behind = "",
    target: Target = None,
    as_json: context.Json = False,
) -> None:
    """Send files to a model and print its answers; a single answer goes to stdout untouched."""
    from mardock.cli import deploy_options, predicting
    from mardock.deploy import served

    project = context.project()
    found = deploy_options.served(project, target, endpoint, deployment)
    asked, called = served.names(project, found, model)
    job = predicting.Job(
        project=project,
        model=called,
        endpoint=found.endpoint if found else None,
        files=predicting.sources(project, asked, files or [], pick),
        version=version,
        content_type=content_type,
        concurrency=concurrency,
        timeout=timeout,
        protocol="grpc" if grpc else "http",
    )
    answers = job.run()
    if as_json:
        console.data_json([answer.to_dict() for answer in answers])
    elif labels:
        predicting.show_labels(answers)
    else:
        predicting.show(answers)
    predicting.raise_first_failure(answers)


def explain(
    model: Annotated[str, typer.Argument(help="A registered model.")],
    file: Annotated[Path, typer.Argument(help="What to send.")],
    version: Version = None,
) -> None:
    """Ask a model's handler to explain its answer to one file."""
    from mardock.cli import predicting
    from mardock.client.inference import InferenceClient

    with InferenceClient(context.endpoint(context.project())) as client:
        console.data_bytes(client.explain(model, predicting.read(file), version=version).body)


def metrics(
    as_json: context.Json = False,
    compare: Annotated[
        Optional[tuple[Path, Path]],
        typer.Option("--compare", help="Show two captures (--json > FILE) side by side.", metavar="A B"),
    ] = None,
    endpoint: Elsewhere = None,
    target: Target = None,
) -> None:
    """Show requests, mean inference latency and mean queue latency of each model."""
    from mardock.cli import measuring

    if compare is not None:
        before, after = (measuring.read_capture(path) for path in compare)
        measuring.show_comparison(compare, before, after, as_json=as_json)
        return
    project = context.project()
    if endpoint is None:
        where = context.endpoint(project)
    else:
        from mardock.deploy import destination, served

        where = served.metrics_endpoint(destination.choose(project, target), endpoint)
    measuring.show(where, as_json=as_json)
