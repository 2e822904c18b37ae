"""What is wrong with the threads of a model's workers, once it is registered or scaled."""

from __future__ import annotations

from typing import Optional

from mardock import serving
from mardock.engines.base import Engine
from mardock.engines.threads import ThreadNote, shares_cores
from mardock.settings.project import Project


def thread_note(
    project: Project, engine: Engine, model: str, url: str, *, workers: int, kept: int
) -> Optional[ThreadNote]:
    """Return what is worth saying; None when all is well, or cannot be known.

    Args:
        model: what it is served as.
        url: what it was registered from.
        workers: how many it has.
        kept: how many of them it had before, which go on with their threads; 0 when all of them are new.
    """
    threads = engine.status().threads
    if threads is None:
        return None
    listed = (settings.serving.threads_per_worker for settings in project.settings.served_as(model))
    return threads.note(
        model,
        workers,
        configured=serving.threads_configured(project.model_store, url),
        listed=next(listed, None),
        sharing=(kept or workers) if shares_cores(project.settings, threads) else None,
    )
