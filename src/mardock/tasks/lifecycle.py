"""Start and stop a project's server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mardock.defaults import START_TIMEOUT_S
from mardock.engines import select
from mardock.listener import SILENT, Listener

if TYPE_CHECKING:
    from mardock.engines.base import Engine
    from mardock.settings.project import Project


def start(project: Project, *, timeout: float = START_TIMEOUT_S, listener: Listener = SILENT) -> Engine:
    """Start the project's server, or find it running, and return its engine once it answers.

    Args:
        timeout: seconds to wait.

    Raises:
        EngineError: another engine than the one asked for runs it, or it cannot be started; see `Engine.up`.
    """
    engine = select.running_or_new(project, listener)
    with listener.waiting(f"starting TorchServe ({engine.name})"):
        engine.up(timeout=timeout)
    return engine


def stop(project: Project, *, listener: Listener = SILENT) -> bool:
    """Stop everything that was started for the project, and say whether there was anything."""
    started = select.started(project)
    for engine in started:
        with listener.waiting(f"stopping what runs on the {engine.name} engine"):
            engine.down()
    return bool(started)
