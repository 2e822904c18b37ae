"""The commands that load a served model and compare what they found: bench and bench compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from mardock.benchmark.plan import BenchPlan
from mardock.cli import console, context, durations, panels, request_options
from mardock.cli.deploy_options import Behind, Elsewhere, TargetOption
from mardock.defaults import MAX_WORKERS
from mardock.errors import MardockError

if TYPE_CHECKING:
    from mardock.benchmark.bench import Bench

_OPEN_LOOP_CONNECTIONS = (100,)  # what TorchServe lets wait in a model's queue, unless told otherwise


class _BenchGroup(TyperGroup):
    """Takes `bench MODEL` for `bench run MODEL`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` before what names no command of this group."""
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named else ["run", *args])


bench = typer.Typer(cls=_BenchGroup, help="Load a model and report its throughput and latency.")


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    app.add_typer(bench, name="bench", rich_help_panel=panels.SERVED)


@bench.command()
def run(
    model: context.AskedModel = None,
    files: request_options.Files = None,
    form: request_options.Form = None,
    json_body: request_options.JsonBody = None,
    concurrency: Annotated[
        Optional[str],
        typer.Option(
            "--concurrency",
            "-c",
            help="Requests under way at once (8), or several: 1,4,16. With --rate: at most (100).",
        ),
    ] = None,
    rate: Annotated[
        Optional[float],
        typer.Option("--rate", min=0.001, max=1e6, help="Open loop: requests per second, whatever the server does."),
    ] = None,
    duration: Annotated[
        float,
        durations.option("--duration", "-d", least=0.1, help="How long to measure, in each round, e.g. 10s."),
    ] = BenchPlan.duration,
    warmup: Annotated[
        float,
        durations.option("--warmup", help="How long to load it before that."),
    ] = BenchPlan.warmup,
    workers: Annotated[
        Optional[str],
        typer.Option("--workers", help="Scale the model to each of these, e.g. 1,4, and put it back afterwards."),
    ] = None,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, max=100, help="Take the settings in turn, that many times over.")
    ] = BenchPlan.rounds,
    timeout: Annotated[
        float,
        durations.option("--timeout", least=0.1, help="How long one answer may take."),
    ] = BenchPlan.timeout,
    version: context.VersionOption = None,
    content_type: request_options.ContentType = None,
    max_error_rate: Annotated[
        float, typer.Option("--max-error-rate", min=0, max=1, help="Errors per request to put up with.")
    ] = 0,
    protocol: Annotated[str, typer.Option("--protocol", help="http or grpc.")] = BenchPlan.protocol,
    url: Annotated[
        Optional[str], typer.Option("--url", help="Another Inference API, e.g. http://127.0.0.1:9000.")
    ] = None,
    endpoint: Elsewhere = None,
    deployment: Behind = "",
    target: TargetOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Load a machine that is not this one.")] = False,
    csv: Annotated[Optional[Path], typer.Option("--csv", help="Write the runs as CSV.", metavar="FILE")] = None,
    html: Annotated[Optional[Path], typer.Option("--html", help="Write a page with plots.", metavar="FILE")] = None,
    as_json: context.Json = False,
) -> None:
    """Load a model and report its throughput and latency; compare two reports with `mardock bench compare A B`.

    Closed loop by default: each connection sends as soon as its answer came. With --rate an open loop, where latency is
    counted from the moment a request was due, so that a stall is charged for all that it delayed.
    """
    from mardock.benchmark.bench import Bench
    from mardock.cli import bench_options, deploy_options
    from mardock.deploy import served
    from mardock.tasks import bench as task
    from mardock.tasks import requests

    bench_options.check_finite(rate)
    bench_options.check_writable(csv, html)
    bench_options.check_one_place(url, endpoint)
    project = context.project()
    found = deploy_options.served(project, target, endpoint, deployment)
    model, paths = request_options.model_or_stdin(model, files)
    asked, called = served.names(project, found, model)
    given = request_options.given(paths, form=form, json_body=json_body, content_type=content_type)
    sent = requests.payloads(project, asked, given)
    connections = _OPEN_LOOP_CONNECTIONS if rate else BenchPlan.concurrency
    plan = BenchPlan(
        model=called,
        bodies=tuple(each.body for each in sent),
        version=version,
        content_type=sent[0].content_type,
        concurrency=bench_options.numbers("--concurrency", concurrency, most=10_000) if concurrency else connections,
        rate=rate,
        duration=duration,
        warmup=warmup,
        timeout=timeout,
        workers=bench_options.numbers("--workers", workers, most=MAX_WORKERS) if workers else (),
        rounds=rounds,
        protocol=bench_options.protocol(protocol),
    )
    ours = found is None and url is None  # may be loaded, though from the dev container it is another machine's
    job = Bench(task.endpoint(project, found, url), plan, allow_remote=yes or ours, listener=console)
    logs = f"mardock deploy logs --endpoint {endpoint}" if endpoint else "mardock logs"
    _carry_out(job, max_error_rate, logs, as_json=as_json, csv=csv, html=html)


@bench.command()
def compare(
    before: Annotated[Path, typer.Argument(help="What `mardock bench --json` printed.", metavar="A")],
    after: Annotated[Path, typer.Argument(help="Another one.", metavar="B")],
    as_json: context.Json = False,
) -> None:
    """Show two reports side by side, and how many times larger the second one's figures are."""
    from mardock.benchmark.report import read_report
    from mardock.cli.show import bench_report

    bench_report.show_comparison((before, after), read_report(before), read_report(after), as_json=as_json)


def _carry_out(
    job: Bench, max_error_rate: float, logs: str, *, as_json: bool, csv: Optional[Path], html: Optional[Path]
) -> None:
    """Run a benchmark and report it, also when the server died or the user had seen enough."""
    from mardock.cli.show import bench_report
    from mardock.tasks import bench as task

    failure: Optional[MardockError] = None
    try:
        job.run()
    except MardockError as error:
        failure = error
    finally:
        report = job.report
        if report.runs:
            bench_report.show(report, as_json=as_json)
            bench_report.write(report, csv=csv, html=html)
    failure = failure or task.failure(report, max_error_rate, logs)
    if failure is not None:
        raise failure
