"""`mardock compile`: put a model into other forms, verify and time each, keep the fastest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import completion, console, context, durations
from mardock.cli.candidate_option import NamesCandidate
from mardock.cli.panels import BEFORE_SERVED
from mardock.compile.report import ALL, WINNER
from mardock.compile.tolerance import Tolerance
from mardock.defaults import MAX_THREADS
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.compile.report import CompileReport
    from mardock.settings.project import Project
    from mardock.settings.schema import ModelSettings


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("compile", rich_help_panel=BEFORE_SERVED, cls=NamesCandidate)(compile_model)


def compile_model(
    model: context.ModelArgument = None,
    module: Annotated[
        Optional[str], typer.Option("--module", metavar="PACKAGE.MODULE:FACTORY", help="What makes the nn.Module.")
    ] = None,
    input_shape: Annotated[
        Optional[list[str]],
        typer.Option("--input-shape", metavar="1x3x224x224", help="An input's shape, once per input; else the sample."),
    ] = None,
    dtype: Annotated[Optional[list[str]], typer.Option("--dtype", help="Its type; float32 when left out.")] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Samples in one call.")] = 1,
    only: Annotated[
        Optional[str],
        typer.Option("--only", help="Candidates to try, e.g. script,freeze.", autocompletion=completion.candidates),
    ] = None,
    also: Annotated[
        Optional[str], typer.Option("--with", help="Also: bf16, bf16_channels_last (other numerics).")
    ] = None,
    save: Annotated[
        Optional[str],
        typer.Option(
            "--save",
            metavar="[NAME|all]",
            help="Keep the fastest, this one, or all.",
            autocompletion=completion.candidates,
        ),
    ] = None,
    rtol: Annotated[float, typer.Option("--rtol", min=0, help="Relative tolerance.")] = Tolerance.relative,
    atol: Annotated[
        float, typer.Option("--atol", min=0, help="Tolerance, relative to the output's largest value.")
    ] = Tolerance.absolute,
    threads: Annotated[
        Optional[int], typer.Option("--threads", min=1, max=MAX_THREADS, help="Torch's; all cores.")
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=3, max=1000, help="How often each is timed, in turns.")] = 5,
    timeout: Annotated[
        float,
        durations.option("--timeout", least=1, help="How long each candidate may take."),
    ] = 600,
    as_json: context.Json = False,
    engine: context.EngineOption = None,
) -> None:
    """Put a model into other forms (TorchScript, torch.compile, int8 …), verify each against eager, and time them.

    Under Docker it runs in the dev container.
    """
    from mardock.cli.show import compile_report
    from mardock.tasks import compile as task
    from mardock.tasks import compiled

    if not all(map(math.isfinite, (rtol, atol, timeout))):
        raise ConfigError("--rtol, --atol and --timeout must be finite", hint="mardock compile --help")
    project = context.project(engine=engine)
    name, settings = _model(project, model, module)
    context.forward_to_torch(project, writes=[compiled.report_file(project, name)] if save else [])
    plan = task.CompilePlan(
        module=module,
        shapes=tuple(input_shape or []),
        dtypes=tuple(dtype or []),
        batch=batch,
        only=_names(only),
        also=_names(also),
        save=save,
        tolerance=Tolerance(relative=rtol, absolute=atol),
        threads=threads,
        rounds=rounds,
        timeout=timeout,
    )
    report = task.compile_model(project, name, settings, plan, listener=console)
    compile_report.show(report, as_json=as_json)
    failure = task.refusal(report, plan)
    if failure is not None:
        raise failure
    _tell_saved(project, name, report, save)


def _model(project: Project, model: Optional[str], module: Optional[str]) -> tuple[str, Optional[ModelSettings]]:
    """Return the model's name and settings; a module alone is called after its factory and has none."""
    if module is None or model in project.settings.models:
        return project.settings.model(model)
    return model or module.rpartition(":")[2], None


def _names(text: Optional[str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def _tell_saved(project: Project, name: str, report: CompileReport, save: Optional[str]) -> None:
    saved = [candidate.file for candidate in report.candidates if candidate.file]
    winner = report.winner
    of_project = name in project.settings.models  # a module alone has no archive, and its flags are the user's
    if saved:
        chosen = "" if save in (WINNER, ALL) else f" {save}"
        console.success(f"kept {', '.join(saved)}", f"mardock archive {name} --compiled{chosen}" if of_project else "")
    elif save:
        console.note("nothing was kept: nothing that can be served is faster than eager beyond noise")
    elif winner:
        console.success(
            f"{winner.name} is the fastest that can be served",
            f"mardock compile {name} --save {winner.name}" if of_project else "",
        )
