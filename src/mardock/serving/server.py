"""Server: a TorchServe that models are served on, and what of it is at hand on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock.endpoint import Endpoint
from mardock.engines.base import Engine
from mardock.settings.project import Project


@dataclass(frozen=True)
class Server:
    """Where models are served.

    Attributes:
        engine: who runs it, when that is ours to ask: its log tells why something failed.
        store: its model store on this machine; None for a stranger's, where nothing can stand beside what serves.
    """

    endpoint: Endpoint
    engine: Optional[Engine] = None
    store: Optional[Path] = None

    @classmethod
    def of(cls, project: Project, engine: Engine) -> Server:
        """Return the server an engine runs for a project; raises EngineNotRunningError when it is down."""
        return cls(engine.endpoint(), engine, project.model_store)
