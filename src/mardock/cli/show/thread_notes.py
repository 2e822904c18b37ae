"""Say when a model's workers would want more cores than there are, or threads that nobody gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from mardock.cli import console

if TYPE_CHECKING:
    from mardock.engines.base import Engine
    from mardock.engines.threads import Threads
    from mardock.settings.project import Project


def show(project: Project, engine: Engine, model: str, url: str, workers: int, kept: int) -> None:
    """Warn of a model that was registered or scaled.

    Args:
        url: what it was registered from.
        kept: how many workers it had before, which go on with their threads; 0 when all of them are new.
    """
    threads = engine.status().threads
    if threads is None:
        return
    from mardock.engines.threads import shares_cores
    from mardock.serving.model_config import threads_configured

    configured = threads_configured(project.model_store, url)
    asked = configured or _in_settings(project, model)
    sharing = (kept or workers) if shares_cores(project.settings, threads) else None
    for line in notes(threads, model, workers, configured=configured, asked=asked, sharing=sharing):
        console.warn(line)


def notes(
    threads: Threads,
    model: str,
    workers: int,
    *,
    configured: Optional[int],
    asked: Optional[int],
    sharing: Optional[int] = None,
) -> list[str]:
    """Return what is worth saying, with its mend.

    Args:
        configured: threadsPerWorker of its model-config.yaml.
        asked: that, or what mardock.toml asks for.
        sharing: among how many of its workers the cores were shared out as the first of them started.
    """
    given = threads.of(model, configured, sharing)
    if asked not in (None, given):
        mend = "mardock down && mardock up" if threads.per_model else "MARDOCK_FAST_WORKERS=true, then restart"
        return [f"{model}: its workers have {given} threads and not {asked}: {mend}"]
    if (
        min(workers, given) > 1 and workers * given > threads.cores
    ):  # more workers of one thread may wait for other things
        if sharing and sharing != workers:
            anew = f"mardock models unregister {model} && mardock register {model} --num-workers {workers}"
            return [f"{model}: the workers it had keep {given} threads each, too many for {workers} workers: {anew}"]
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
