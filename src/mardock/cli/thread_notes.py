"""Say when a model's workers would want more cores than there are, or threads that nobody gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from mardock.cli import console

if TYPE_CHECKING:
    from mardock.engines.base import Engine
    from mardock.engines.threads import Threads
    from mardock.settings.project import Project


def show(project: Project, engine: Engine, model: str, url: str, workers: int) -> None:
    """Warn of a model that was registered or scaled.

    Args:
        url: what it was registered from.
    """
    threads = engine.status().threads
    if threads is None:
        return
    from mardock.registration.model_config import threads_configured

    configured = threads_configured(project.model_store, url)
    asked = configured or _in_settings(project, model)
    for line in notes(threads, model, workers, configured=configured, asked=asked):
        console.warn(line)


def notes(threads: Threads, model: str, workers: int, *, configured: Optional[int], asked: Optional[int]) -> list[str]:
    """Return what is worth saying, with its mend.

    Args:
        configured: threadsPerWorker of its model-config.yaml.
        asked: that, or what mardock.toml asks for.
    """
    given = threads.of(model, configured)
    if asked not in (None, given):
        mend = "mardock down && mardock up" if threads.per_model else "MARDOCK_FAST_WORKERS=true, then restart"
        return [f"{model}: its workers have {given} threads and not {asked}: {mend}"]
    if (
        min(workers, given) > 1 and workers * given > threads.cores
    ):  # more workers of one thread may wait for other things
        share = f"{workers} workers with {given} threads each on {threads.cores} cores"
        return [f"{model}: {share} slow each other down; {_mend(threads, workers)}"]
    return []


def _mend(threads: Threads, workers: int) -> str:
    fitting = max(1, threads.cores // workers)
    if threads.per_model:
        return f"set threadsPerWorker: {fitting} in its model-config.yaml, then archive and register it again"
    return f"set MARDOCK_THREADS_PER_WORKER={fitting} in .env, then mardock down && mardock up"


def _in_settings(project: Project, served_as: str) -> Optional[int]:
    for settings in project.settings.models.values():
        if settings.archive.model_name == served_as:
            return settings.serving.threads_per_worker
    return None
