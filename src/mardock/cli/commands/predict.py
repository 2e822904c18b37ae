"""`mardock predict`: files sent to a model, and its answers."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from mardock.cli import console, context, panels, request_options
from mardock.cli.deploy_options import Behind, Elsewhere, TargetOption
from mardock.defaults import ANSWER_TIMEOUT_S


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.SERVED)(predict)


def predict(
    model: context.AskedModel = None,
    files: request_options.Files = None,
    form: request_options.Form = None,
    json_body: request_options.JsonBody = None,
    version: context.VersionOption = None,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="Print Predicted and Actual; the label is the character before the extension."),
    ] = False,
    pick: Annotated[
        Optional[int],
        typer.Option("--random", min=1, help="Send that many of the files, picked at random.", metavar="N"),
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=256, help="Requests under way at once.")] = 1,
    content_type: request_options.ContentType = None,
    grpc: Annotated[bool, typer.Option("--grpc", help="Ask over gRPC.")] = False,
    timeout: context.Timeout = ANSWER_TIMEOUT_S,
    endpoint: Elsewhere = None,
    deployment: Behind = "",
    target: TargetOption = None,
    output: request_options.Output = None,
    as_json: context.Json = False,
) -> None:
    """Send files to a model and print its answers; a single answer goes to stdout untouched."""
    from mardock.cli import deploy_options
    from mardock.cli.show import answers as shown
    from mardock.deploy import served
    from mardock.tasks import predict as task
    from mardock.tasks import requests, samples

    project = context.project()
    model, paths = request_options.model_or_stdin(model, files)
    found = deploy_options.served(project, target, endpoint, deployment)
    asked, called = served.names(project, found, model)
    given = request_options.given(paths, form=form, json_body=json_body, content_type=content_type)
    chosen = samples.some(requests.of(project, asked, given), pick)
    request_options.check_output(output, requests=len(chosen), as_json=as_json)
    answers = task.predict(
        project,
        called,
        chosen,
        version=version,
        concurrency=concurrency,
        timeout=timeout,
        grpc=grpc,
        endpoint=found.endpoint if found else None,
        listener=console,
    )
    if as_json:
        console.data_json([answer.to_dict(labels=labels) for answer in answers])
    elif labels:
        shown.show_labels(answers)
    else:
        shown.show(answers, output)
    shown.raise_first_failure(answers)
