"""`mardock metrics`: what TorchServe counted for each model, now or in two captures side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import context, panels
from mardock.cli.deploy_options import Elsewhere, TargetOption

if TYPE_CHECKING:
    from mardock.endpoint import Endpoint


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.SERVED)(metrics)


def metrics(
    as_json: context.Json = False,
    compare: Annotated[
        Optional[tuple[Path, Path]],
        typer.Option("--compare", help="Show two captures (--json > FILE) side by side.", metavar="A B"),
    ] = None,
    endpoint: Elsewhere = None,
    target: TargetOption = None,
) -> None:
    """Show requests, mean inference latency and mean queue latency of each model."""
    from mardock.cli.show import model_metrics
    from mardock.tasks import metrics as task

    if compare is not None:
        before, after = (task.read_capture(path) for path in compare)
        model_metrics.show_comparison(compare, before, after, as_json=as_json)
        return
    model_metrics.show(task.scrape(_endpoint(endpoint, target)), as_json=as_json)


def _endpoint(deployed: Optional[str], target: Optional[str]) -> Endpoint:
    project = context.project()
    if deployed is None:
        from mardock.engines import select

        return select.needed(project).endpoint()
    from mardock.deploy import destination, served

    return served.metrics_endpoint(destination.choose(project, target), deployed)
