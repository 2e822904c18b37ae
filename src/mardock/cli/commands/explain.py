"""`mardock explain`: what a model's handler says of its answer."""

from __future__ import annotations

from typing import Annotated

import typer

from mardock.cli import completion, console, context, panels, request_options
from mardock.defaults import ANSWER_TIMEOUT_S


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.SERVED)(explain)


def explain(
    model: Annotated[str, typer.Argument(help="A registered model.", autocompletion=completion.served)],
    file: request_options.File = None,
    form: request_options.Form = None,
    json_body: request_options.JsonBody = None,
    version: context.VersionOption = None,
    content_type: request_options.ContentType = None,
    timeout: context.Timeout = ANSWER_TIMEOUT_S,
    output: request_options.Output = None,
    as_json: context.Json = False,
) -> None:
    """Ask a model's handler to explain its answer to one request."""
    from mardock.cli.show import answers as shown
    from mardock.tasks import predict, requests

    project = context.project()
    files = [file] if file else []
    given = request_options.given(files, form=form, json_body=json_body, content_type=content_type)
    request_options.check_output(output, as_json=as_json)
    request = requests.one(project, model, given)
    answer = predict.explain(project, model, request, version=version, timeout=timeout)
    if as_json:
        console.data_json(answer.to_dict())
    else:
        shown.show([answer], output)
