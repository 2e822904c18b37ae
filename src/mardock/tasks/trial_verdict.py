"""What a trial says of the model: the error it would end with in TorchServe, and what is amiss all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from mardock.errors import EngineNotFoundError, MardockError, ServingError, WorkerFailedError
from mardock.settings.as_served import as_served

if TYPE_CHECKING:
    from mardock.handler.outcome import BatchRun, Raised, Trial
    from mardock.listener import Listener
    from mardock.settings.project import Project


def failure(project: Project, name: str, trial: Trial, *, batched: bool) -> Optional[MardockError]:
    """Return what the model would fail with in TorchServe, as it is to be served; None when it would not.

    Args:
        batched: whether it is served more than one request at once.

    Returns:
        an EngineNotFoundError where torch or TorchServe is broken; a WorkerFailedError when it does not load; a
        ServingError when it raises, or TorchServe would refuse what it returns.
    """
    if trial.raised and trial.raised.stage == "import":
        last = trial.raised.traceback.rstrip().rpartition("\n")[2]
        return EngineNotFoundError(
            f"torch and TorchServe cannot be imported where {name} is served: {last}",
            details=trial.raised.traceback,
            hint="install them anew there: mardock doctor names that Python",
        )
    if trial.raised:
        return _raised(project, name, trial.raised)
    runs = [*trial.singles, *([trial.batch] if trial.batch and batched else [])]
    return next(filter(None, (_run_failure(project, name, run) for run in runs)), None)


def raise_failure(failure: Optional[MardockError], *, interrupted: bool, listener: Listener) -> None:
    """Raise what a trial failed with, if it did; one that was interrupted is so all the same.

    Raises:
        MardockError: the failure.
        KeyboardInterrupt: it was interrupted; where, the listener is told.
    """
    if interrupted:
        if failure:
            listener.note(failure.message)
        raise KeyboardInterrupt
    if failure:
        raise failure


def warnings(project: Project, name: str, trial: Trial) -> list[str]:
    """Return what would be served, but not as it should be."""
    found = list(trial.warnings)
    limit = as_served(project.settings.models[name], project.root).response_timeout
    runs = [*trial.singles, *([trial.batch] if trial.batch else [])]
    slowest = max((stage.seconds for run in runs for stage in run.stages if stage.name == "handle"), default=0.0)
    if slowest > limit:
        found.append(f"a batch took {slowest:.1f} s: TorchServe ends its worker after {limit} s, the response_timeout")
    in_batch = _run_failure(project, name, trial.batch) if trial.batch else None
    if in_batch:
        found.append(f"{in_batch.message}; that is no failure as long as batch_size is 1")
    return found


def _run_failure(project: Project, name: str, run: BatchRun) -> Optional[MardockError]:
    from mardock.causes import sentences
    from mardock.causes.remedies import remedy_for

    if run.raised:
        return _raised(project, name, run.raised)
    if run.refusal:
        known = remedy_for(run.refusal)
        return ServingError(
            f"TorchServe would refuse what {name} answers to a batch of {run.size}: {run.refusal}",
            hint=sentences.remedy(known) if known else None,
        )
    return None


def _raised(project: Project, name: str, raised: Raised) -> MardockError:
    from mardock.causes import failures, sentences
    from mardock.causes.audience import Audience

    audience = Audience(project.settings.models[name].archive.python_sources(project.root), then=None)
    cause = failures.of_traceback(raised.traceback, audience, reason=raised.reason)
    message, details, hint = sentences.failed(f"{name} failed in {raised.stage}", cause, audience)
    kind = WorkerFailedError if raised.stage in ("load", "initialize") else ServingError
    return kind(message, details=details, hint=hint or f"stop there and look: mardock try {name} --pdb")
