"""`mardock local`: one experiment in the foreground, under the name its cloud deployment answers to."""

from __future__ import annotations

import typer

from mardock.cli import console, context, panels
from mardock.defaults import START_TIMEOUT_S


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(local)


def local(
    model: context.ModelArgument = None,
    engine: context.EngineOption = None,
    timeout: context.Timeout = START_TIMEOUT_S,
) -> None:
    """Serve one archived model as /predictions/model, its log in this terminal, until Ctrl-C."""
    from mardock.cli.show import registrations
    from mardock.tasks import local as task

    with task.serve(context.project(engine=engine), model, timeout=timeout, listener=console) as served:
        registrations.show([served.registration])
        inference = f"{served.endpoint.inference_url}/predictions/{task.SERVED_AS}"
        console.note(f"try: curl {inference} -T FILE    (Ctrl-C ends it)")
        for line in served.engine.logs(follow=True, tail=0):
            console.data(line, flush=True)
