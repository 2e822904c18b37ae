"""`mardock tune`: find the fastest setting of a served model under a latency limit, and write it down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context, durations, panels
from mardock.errors import MardockError

if TYPE_CHECKING:
    from mardock.settings.project import Project
    from mardock.tuning.report import TuneReport
    from mardock.tuning.tuner import Tuner


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    app.command(rich_help_panel=panels.SERVED)(tune)


def tune(
    model: context.ModelArgument = None,
    p99: Annotated[
        Optional[float],
        durations.option(
            "--p99",
            least=1e-6,
            unit="ms",
            help="The P99 latency to keep, e.g. 50ms or 0.2s; a number alone is milliseconds.",
        ),
    ] = None,
    data: Annotated[
        Optional[list[Path]],
        typer.Option("--data", help="Bodies to send: a file or folder, repeatable; the model's sample when left out."),
    ] = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", "-c", min=1, max=1000, help="Requests under way at once.")
    ] = 16,
    budget: Annotated[
        float,
        durations.option("--budget", least=5, most=86400, help="How long to search, about, e.g. 5m."),
    ] = 60,
    variants: Annotated[
        bool, typer.Option("--variants", help="Try what `mardock compile --save all` has verified, too.")
    ] = False,
    content_type: Annotated[Optional[str], typer.Option("--content-type", help="Sent with each body.")] = None,
    html: Annotated[
        Optional[Path],
        typer.Option("--html", help="The page with the plot (logs/tune-MODEL.html when left out).", metavar="FILE"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Search and report, and leave the files alone.")] = False,
    as_json: context.Json = False,
) -> None:
    """Search workers, batch size, batch delay and threads for the highest throughput, and write down the winner.

    Each setting is served as a version of its own beside the one that serves, which is never touched: however the
    search ends, the server is as it was. The winner goes into model-config.yaml or mardock.toml; nothing is written
    unless it is faster beyond the noise.
    """
    from mardock.cli import bench_options
    from mardock.engines import select
    from mardock.tasks import tune as task
    from mardock.tuning.tuner import Tuner

    project = context.project()
    name, settings = project.settings.model(model)
    limit_ms = None if p99 is None else p99 * 1000
    plan = task.plan(
        project,
        name,
        data or [],
        limit_ms=limit_ms,
        budget=budget,
        concurrency=concurrency,
        content_type=content_type,
        variants=variants,
    )
    page = html or project.logs / f"tune-{settings.archive.model_name}.html"
    bench_options.check_writable(page)
    tuner = Tuner(select.needed(project), project, settings, plan, listener=console)
    failure = _run(tuner, page, as_json=as_json)
    report = tuner.report
    if failure is None and report is not None:
        failure = _conclude(project, name, report, dry_run=dry_run)
    if failure is not None:
        raise failure


def _run(tuner: Tuner, page: Path, *, as_json: bool) -> Optional[MardockError]:
    """Search and show what was found, also when it was interrupted; returns what ended it."""
    from mardock.cli.show import tune_report

    failure: Optional[MardockError] = None
    try:
        tuner.run()
    except MardockError as error:
        failure = error
    finally:
        if tuner.report is not None:
            tune_report.show(tuner.report, as_json=as_json)
            tune_report.write(tuner.report, page)
    return failure


def _conclude(project: Project, name: str, report: TuneReport, *, dry_run: bool) -> Optional[MardockError]:
    """Write the winner down; returns the failure to end with when no setting keeps the limit."""
    from mardock.tasks import tune as task
    from mardock.tuning.html_report import verdict

    failure = task.failure(report)
    if failure is not None:
        return failure
    if report.winner is None:
        console.success(verdict(report), then=f"mardock bench {report.model}")
        return None
    console.success(verdict(report))
    edit = task.winning_edit(project, name, report)
    for line in edit.diff():
        console.note(f"  {line}")
    if dry_run:
        console.note(f"{edit.path.name} is left as it was (--dry-run)")
        return None
    edit.apply()
    compiled = f" --compiled {report.winner.variant}" if report.winner.variant else ""
    restart = "" if project.settings.models[name].archive.config_file else "mardock down && mardock up --no-models && "
    console.success(
        f"wrote {edit.path.name}",
        then=f"{restart}mardock archive {name}{compiled} && mardock register {name} --replace",
    )
    return None
