"""`mardock local`: one experiment in the foreground, under the name its cloud deployment answers to."""

from __future__ import annotations

import typer

from mardock.cli import console, context, panels, registering
from mardock.cli.commands import up
from mardock.defaults import START_TIMEOUT_S

SERVED_AS = "model"


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.PROJECT)(local)


def local(
    model: context.ModelArgument = None,
    engine: context.EngineOption = None,
    timeout: context.Timeout = START_TIMEOUT_S,
) -> None:
    """Serve one archived model as /predictions/model, its log in this terminal, until Ctrl-C."""
    from mardock.engines import select
    from mardock.serving import Server, unregister

    project = context.project(engine=engine)
    name, _ = project.settings.model(model)
    ours = select.running(project) is None
    endpoint = up.start(project, timeout)
    running = context.running_engine(project)
    try:
        registering.one(project, Server.of(project, running), name, served_as=SERVED_AS, replace=True)
        console.note(f"try: curl {endpoint.inference_url}/predictions/{SERVED_AS} -T FILE    (Ctrl-C ends it)")
        for line in running.logs(follow=True, tail=0):
            console.data(line, flush=True)
    finally:
        if ours:
            running.down()
        elif running.status().running:
            unregister(Server.of(project, running), SERVED_AS)
