"""`mardock try`: run a model's handler here, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context, durations, request_options
from mardock.cli.panels import BEFORE_SERVED
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.settings.project import Project
    from mardock.tasks.try_model import Tried


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("try", rich_help_panel=BEFORE_SERVED)(try_model)


def try_model(
    model: context.ModelArgument = None,
    more: Annotated[
        Optional[list[Path]], typer.Argument(metavar="[FILE]...", help="More files to send; - is standard input.")
    ] = None,
    data: Annotated[
        Optional[list[Path]],
        typer.Option("--data", metavar="FILE", help="What to send; else the model's first sample."),
    ] = None,
    form: request_options.Form = None,
    json_body: request_options.JsonBody = None,
    batch: Annotated[Optional[int], typer.Option(min=1, help="Size of the batch; files are repeated.")] = None,
    content_type: request_options.ContentType = None,
    timeout: Annotated[
        Optional[float],
        durations.option(
            "--timeout", least=0.1, help="How long loading and each batch may take; else as it is served."
        ),
    ] = None,
    pdb: Annotated[bool, typer.Option("--pdb", help="Stop in the debugger where the handler raises.")] = False,
    save_golden: Annotated[bool, typer.Option("--save-golden", help="Keep the answers as the expected ones.")] = False,
    check_golden: Annotated[bool, typer.Option("--check-golden", help="Compare with the expected answers.")] = False,
    as_json: context.Json = False,
    engine: context.EngineOption = None,
) -> None:
    """Run a model's handler without a server, and show what each stage costs, takes and gives.

    Every request is sent alone, then all in one batch. Under Docker it runs in the dev container.
    """
    from mardock.tasks import try_model as task

    if save_golden and check_golden:
        raise ConfigError("--save-golden and --check-golden exclude each other", hint="leave out one of them")
    files = [*(data or []), *(more or [])]
    given = request_options.given(files, form=form, json_body=json_body, content_type=content_type)
    if save_golden and (json_body is not None or Path("-") in files):
        raise ConfigError("expected answers are kept for files and forms", hint="write what is sent to a file")
    with task.begin() as child:  # torch is imported while the settings are read
        project = context.project(engine=engine)
        name, _ = project.settings.model(model)
        golden_file = task.golden_file(project, name)
        context.forward_to_torch(project, writes=[golden_file] if save_golden else [])
        found = task.try_model(
            child,
            project,
            name,
            given,
            batch=batch,
            timeout=timeout,
            debug=pdb,
            against_golden=check_golden,
            listener=console,
        )
    _show(project, name, found, as_json=as_json)
    labels = found.requests
    if check_golden:
        found.check()
        console.success(f"{name} gives the {len(labels)} expected answers")
    elif save_golden:
        found.keep(golden_file)
        console.success(f"kept {len(labels)} expected answers in {golden_file.name}", then="mardock try --check-golden")


def _show(project: Project, name: str, found: Tried, *, as_json: bool) -> None:
    """Show what became of a trial; raises what it failed with."""
    from mardock.cli.show import trial_report
    from mardock.tasks.trial_verdict import raise_failure, warnings

    labels = list(found.requests)
    if not as_json:
        trial_report.show_stages(found.trial, labels)
    raise_failure(found.failure, interrupted=found.interrupted, listener=console)
    for warning in warnings(project, name, found.trial):
        console.warn(warning)
    trial_report.show_replies(name, found.trial, labels, as_json=as_json)
