"""`mardock try`: run a model's handler here, without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock import extras
from mardock.cli import console, context
from mardock.cli.panels import BEFORE_SERVED
from mardock.errors import ConfigError, EngineNotFoundError, ServingError
from mardock.tasks import samples

if TYPE_CHECKING:
    from mardock.handler.child import Child
    from mardock.handler.golden import Golden
    from mardock.handler.outcome import Reply, Trial
    from mardock.handler.trial import TrialSpec
    from mardock.handler.wire import Request
    from mardock.settings.project import Project


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("try", rich_help_panel=BEFORE_SERVED)(try_model)


def try_model(
    model: context.ModelArgument = None,
    more: Annotated[Optional[list[Path]], typer.Argument(metavar="[FILE]...", help="More files to send.")] = None,
    data: Annotated[
        Optional[list[Path]],
        typer.Option("--data", metavar="FILE", help="What to send; else the model's first sample."),
    ] = None,
    batch: Annotated[Optional[int], typer.Option(min=1, help="Size of the batch; files are repeated.")] = None,
    content_type: Annotated[Optional[str], typer.Option(help="The requests' Content-Type; none when left out.")] = None,
    timeout: Annotated[
        Optional[float], typer.Option(min=0.1, help="Seconds for loading and for each batch; else as it is served.")
    ] = None,
    pdb: Annotated[bool, typer.Option("--pdb", help="Stop in the debugger where the handler raises.")] = False,
    save_golden: Annotated[bool, typer.Option("--save-golden", help="Keep the answers as the expected ones.")] = False,
    check_golden: Annotated[bool, typer.Option("--check-golden", help="Compare with the expected answers.")] = False,
    as_json: context.Json = False,
    engine: context.EngineOption = None,
) -> None:
    """Run a model's handler without a server, and show what each stage costs, takes and gives.

    Every file is sent alone, then all in one batch. Under Docker it runs in the dev container.
    """
    from mardock.cli import trial_plan
    from mardock.cli.show import trial_report
    from mardock.handler import golden, trial
    from mardock.handler.child import Child

    if save_golden and check_golden:
        raise ConfigError("--save-golden and --check-golden exclude each other", hint="leave out one of them")
    with Child(trial.import_torchserve, trial.run) as child:  # torch is imported while the settings are read
        project = context.project(engine=engine)
        name, settings = project.settings.model(model)
        golden_file = project.root / "torchserve" / name / "golden.json"
        context.forward_to_torch(project, writes=[golden_file] if save_golden else [])
        _require_torchserve()
        expected = golden.load(golden_file) if check_golden else None
        files = _files(project, name, [*(data or []), *(more or [])], expected)
        requests = _requests(project, files, content_type, expected)
        spec = trial_plan.plan(project, settings, requests, batch=batch, timeout=timeout, debug=pdb)
        found = _attempt(child, spec, project)
    if not as_json:
        trial_report.show_stages(found, list(requests))
    trial_report.raise_failure(project, name, found, batched=spec.batch_size > 1, interrupted=child.interrupted)
    trial_report.warn(project, name, found)
    trial_report.show_replies(name, found, list(requests), as_json=as_json)
    replies = [run.replies[0] for run in found.singles]
    if expected:
        _compare(name, expected, requests, replies)
    elif save_golden:
        _save(golden_file, requests, replies)


def _require_torchserve() -> None:
    missing = [package for package in ("torch", "ts") if find_spec(package) is None]
    if missing:
        raise EngineNotFoundError(
            f"a handler needs {' and '.join(missing)}, not installed here", hint=extras.how_to_add("native")
        )


def _files(project: Project, name: str, given: Sequence[Path], expected: Optional[Golden]) -> list[Path]:
    if given:
        return samples.to_send(project, name, given)
    if expected:
        return [project.root / sample for sample in expected.samples]
    return samples.to_send(project, name, [])[:1]


def _requests(
    project: Project, files: Sequence[Path], content_type: Optional[str], expected: Optional[Golden]
) -> dict[str, Request]:
    """Read the files, each under its path relative to the project."""
    from mardock.handler.wire import Request

    kept = expected.samples if expected else {}
    requests = {}
    for file in files:
        path = file.resolve()
        root = project.root.resolve()
        label = str(path.relative_to(root)) if root in path.parents else str(path)
        sent_as = content_type or (kept[label].content_type if label in kept else None)
        requests[label] = Request(samples.read(file), sent_as)
    return requests


def _attempt(child: Child, spec: TrialSpec, project: Project) -> Trial:
    from mardock.cli import scratch
    from mardock.handler import ending
    from mardock.handler.notes import Notes

    with scratch.folder(project, "try-") as folder:
        notes = Notes(folder)
        return ending.conclude(spec, notes, child.run(spec, notes))


def _compare(name: str, expected: Golden, requests: Mapping[str, Request], replies: Sequence[Reply]) -> None:
    found = [
        line
        for (label, request), reply in zip(requests.items(), replies)
        for line in expected.check(label, request.body, reply)
    ]
    if found:
        raise ServingError(
            f"{name} does not give the expected answers",
            details="\n".join(found),
            hint=f"mend it, or take the new answers for right: mardock try {name} --save-golden",
        )
    console.success(f"{name} gives the {len(requests)} expected answers")


def _save(path: Path, requests: Mapping[str, Request], replies: Sequence[Reply]) -> None:
    from mardock.handler import golden
    from mardock.handler.comparison import Tolerance

    known = golden.load(path).tolerance if path.exists() else Tolerance()
    answers = {
        label: golden.expect(request.body, reply, request.content_type)
        for (label, request), reply in zip(requests.items(), replies)
    }
    golden.save(path, golden.Golden(answers, known))
    console.success(f"kept {len(answers)} expected answers in {path.name}", then="mardock try --check-golden")
