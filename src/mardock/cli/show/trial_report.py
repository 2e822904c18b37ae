"""What `mardock try` shows: the stages on stderr, the predictions on stdout, and what TorchServe would not serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Optional

from mardock.cli import console
from mardock.errors import MardockError, ServingError, WorkerFailedError
from mardock.settings.as_served import as_served

if TYPE_CHECKING:
    from mardock.handler.outcome import BatchRun, Raised, Stage, Trial
    from mardock.settings.project import Project


def show_stages(trial: Trial, labels: Sequence[str]) -> None:
    """Print what each stage took, gave and cost."""
    rows: list[tuple[str, ...]] = [("STAGE", "MS", "TAKES", "GIVES"), *_rows(trial.start)]
    for run, label in zip(trial.singles, labels):
        rows += [(label,), *_rows(run.stages)]
    if trial.batch:
        rows += [(f"batch of {trial.batch.size}",), *_rows(trial.batch.stages)]
    cells = [row for row in rows if len(row) > 1]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in rows:
        padded = [
            row[0].ljust(widths[0]),
            *(cell.rjust(widths[1]) if i == 0 else cell.ljust(widths[i + 1]) for i, cell in enumerate(row[1:])),
        ]
        console.note("  ".join(padded).rstrip())


def _rows(stages: Sequence[Stage]) -> Iterator[tuple[str, ...]]:
    for stage in stages:
        name = f"  {stage.name}" + (f" x{stage.calls}" if stage.calls > 1 else "")
        yield name, f"{stage.seconds * 1000:,.1f}", stage.took, stage.gave


def raise_failure(project: Project, name: str, trial: Trial, *, batched: bool, interrupted: bool) -> None:
    """Raise what the model would fail with in TorchServe, as it is to be served.

    Args:
        batched: whether it is served more than one request at once.

    Raises:
        WorkerFailedError: it does not load.
        ServingError: it raises, or TorchServe would refuse what it returns.
        KeyboardInterrupt: it was interrupted; where, is printed.
    """
    as_served = [trial.batch] if trial.batch and batched else []
    failure = _first_failure(project, name, trial, [*trial.singles, *as_served])
    if interrupted:
        if failure:
            console.note(failure.message)
        raise KeyboardInterrupt
    if failure:
        raise failure


def warn(project: Project, name: str, trial: Trial) -> None:
    """Print what would be served, but not as it should be."""
    for warning in trial.warnings:
        console.warn(warning)
    limit = as_served(project.settings.models[name], project.root).response_timeout
    runs = [*trial.singles, *([trial.batch] if trial.batch else [])]
    slowest = max((stage.seconds for run in runs for stage in run.stages if stage.name == "handle"), default=0.0)
    if slowest > limit:
        console.warn(f"a batch took {slowest:.1f} s: TorchServe ends its worker after {limit} s, the response_timeout")
    failure = _run_failure(project, name, trial.batch) if trial.batch else None
    if failure:
        console.warn(f"{failure.message}; that is no failure as long as batch_size is 1")


def show_replies(name: str, trial: Trial, labels: Sequence[str], *, as_json: bool) -> None:
    """Print the answers: a single one untouched, several one per line, or all as JSON."""
    replies = [run.replies[0] for run in trial.singles]
    if as_json:
        console.data_json(_to_dict(name, trial, labels))
    elif len(replies) == 1:
        console.data_bytes(replies[0].body)
    else:
        shown = [reply.body.decode("utf-8", "replace").strip() for reply in replies]
        console.table(("FILE", "PREDICTION"), zip(labels, shown))


def _to_dict(name: str, trial: Trial, labels: Sequence[str]) -> dict[str, Any]:
    from mardock.handler.outcome import stages_to_dicts, to_dict

    return {
        "model": name,
        "start": stages_to_dicts(trial.start),
        "singles": [{"file": label, **to_dict(run)} for label, run in zip(labels, trial.singles)],
        "batch": to_dict(trial.batch) if trial.batch else None,
        "warnings": list(trial.warnings),
    }


def _first_failure(project: Project, name: str, trial: Trial, runs: Sequence[BatchRun]) -> Optional[MardockError]:
    if trial.raised:
        return _raised(project, name, trial.raised)
    return next(filter(None, (_run_failure(project, name, run) for run in runs)), None)


def _run_failure(project: Project, name: str, run: BatchRun) -> Optional[MardockError]:
    from mardock.handler.mends import mend_for

    if run.raised:
        return _raised(project, name, run.raised)
    if run.refusal:
        return ServingError(
            f"TorchServe would refuse what {name} answers to a batch of {run.size}: {run.refusal}",
            hint=mend_for(run.refusal),
        )
    return None


def _raised(project: Project, name: str, raised: Raised) -> MardockError:
    from mardock.handler.explained import explain

    failure = explain(raised, project.settings.models[name].archive.python_sources(project.root))
    kind = WorkerFailedError if raised.stage in ("load", "initialize") else ServingError
    return kind(
        f"{name} failed in {raised.stage}: {failure.summary}",
        details=failure.traceback or None,
        hint=failure.hint or f"stop there and look: mardock try {name} --pdb",
    )
