"""What `mardock tune` searches with, and what becomes of what it found: a failure, or a line to write down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.engines import select
from mardock.errors import ServingError
from mardock.tasks import compiled, samples
from mardock.tuning.html_report import verdict
from mardock.tuning.measurer import Load
from mardock.tuning.tuner import TunePlan
from mardock.tuning.write_back import edit_for

if TYPE_CHECKING:
    from mardock.settings.project import Project
    from mardock.tuning.report import TuneReport
    from mardock.tuning.write_back import Edit


def plan(
    project: Project,
    name: str,
    files: Sequence[Path] = (),
    *,
    limit_ms: Optional[float] = None,
    budget: float = 60,
    concurrency: int = 16,
    content_type: Optional[str] = None,
    variants: bool = False,
) -> TunePlan:
    """Return what to tune a model with.

    Args:
        name: the model's in mardock.toml.
        files: what to send; the model's sample when left out.
        limit_ms, budget: see `TunePlan`.
        concurrency: requests under way at once.
        content_type: sent with each body.
        variants: try the compiled candidates that were saved, too.

    Raises:
        ConfigError: there is nothing to send, or no candidate to try.
    """
    specs = compiled.servable(project, name) if variants else {}
    load = Load(samples.bodies(project, name, files), concurrency, content_type)
    return TunePlan(load, limit_ms, budget, specs)


def failure(report: TuneReport) -> Optional[ServingError]:
    """Return what a search ends with in which no setting kept the limit; None when one did."""
    if report.nearest is None:
        return None
    return ServingError(verdict(report), hint="allow a higher --p99, or fewer requests at once: --concurrency")


def winning_edit(project: Project, name: str, report: TuneReport) -> Edit:
    """Return what to write down for the winner of a search, on the server that runs.

    Raises:
        EngineNotRunningError: none does any more.
        ConfigError: see `edit_for`.
    """
    assert report.winner is not None
    threads = select.needed(project).status().threads
    with_threads = threads is not None and threads.per_model
    return edit_for(report.winner, project.root, name, project.settings.models[name], with_threads=with_threads)
