"""Serve one archived model for as long as somebody looks on, under the name its cloud deployment answers to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Optional

from mardock.defaults import START_TIMEOUT_S
from mardock.endpoint import Endpoint
from mardock.engines import select
from mardock.engines.base import Engine
from mardock.listener import SILENT, Listener
from mardock.serving import Server, unregister
from mardock.settings.project import Project
from mardock.tasks import lifecycle
from mardock.tasks.register import Registrar, Registration

SERVED_AS = "model"


@dataclass(frozen=True)
class LocalModel:
    """A model that is served until the block ends; its log is the engine's."""

    endpoint: Endpoint
    engine: Engine
    registration: Registration


@contextmanager
def serve(
    project: Project,
    model: Optional[str] = None,
    *,
    timeout: float = START_TIMEOUT_S,
    listener: Listener = SILENT,
) -> Iterator[LocalModel]:
    """Serve a model inside the block as /predictions/model; a server that was down before is stopped after it.

    Args:
        model: its name in mardock.toml; may be left out when there is one.
        timeout: seconds the server may take to start.

    Raises:
        ConfigError: there is no such model, or no archive of it.
        EngineError: the server cannot be started.
        ServingError: the model cannot be served.
    """
    name, _ = project.settings.model(model)
    ours = select.running(project) is None
    engine = lifecycle.start(project, timeout=timeout, listener=listener)
    try:
        server = Server.of(project, engine)
        registrar = Registrar(project, server, replace=True, listener=listener)
        yield LocalModel(server.endpoint, engine, registrar.one(name, served_as=SERVED_AS))
    finally:
        if ours:
            engine.down()
        elif engine.status().running:
            unregister(Server.of(project, engine), SERVED_AS)
