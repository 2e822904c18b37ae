"""`mardock debug`: breakpoints in the handler that the server runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mardock.cli import console, context, panels

if TYPE_CHECKING:
    from mardock.debugging import Debugged
    from mardock.settings.project import Project


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.SERVED)(debug)


def debug(
    model: context.ModelArgument = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where debuggers attach, on 127.0.0.1.")] = 5678,
    wait: Annotated[
        bool, typer.Option("--wait", help="Load the model once a debugger is attached, for breakpoints in initialize.")
    ] = False,
    vscode: Annotated[bool, typer.Option("--vscode", help="Put the configuration into .vscode/launch.json.")] = False,
) -> None:
    """Serve a registered model under a debugger until Ctrl-C; then it is served as before.

    One worker runs the project's files as they are now. It may stand still for a day before TorchServe gives it up.
    """
    from mardock.debugging import Session
    from mardock.engines import select

    project = context.project()
    _, settings = project.settings.model(model)
    session = Session(project, settings, select.needed(project), console)

    def listening(debugged: Debugged) -> None:
        console.success(f"attach a debugger to 127.0.0.1:{debugged.port}")
        _configure(project, debugged, vscode=vscode)

    with session.run(port, wait=wait, listening=listening) as debugged:
        console.success(
            f"{debugged.model} is served by {debugged.version} under the debugger; Ctrl-C ends it",
            then=f"set a breakpoint, then: mardock predict {debugged.model} FILE",
        )
        session.watch(debugged)


def _configure(project: Project, debugged: Debugged, *, vscode: bool) -> None:
    from mardock.debugging import launch_json

    wanted = launch_json.configuration(debugged.model, debugged.port, debugged.remote_root)
    file = project.root / ".vscode" / "launch.json"
    if vscode and launch_json.write(file, wanted):
        console.note(f"in VS Code: Run and Debug, {wanted['name']}")
        return
    if vscode:
        console.warn(".vscode/launch.json cannot be changed safely: add this to its configurations")
    else:
        console.note("for VS Code, put this into .vscode/launch.json (--vscode does it):")
    console.note(_snippet(wanted))


def _snippet(wanted: dict[str, Any]) -> str:
    return json.dumps(wanted, indent=4)
