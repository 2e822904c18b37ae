"""Server: a TorchServe that models are served on, and what of it is at hand on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock.endpoint import Endpoint
from mardock.engines import select
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

    @classmethod
    def at(cls, project: Project, url: Optional[str] = None, management_port: Optional[int] = None) -> Server:
        """Return the server with this Management API, which may be the project's own; its own when nothing is given.

        Args:
            url: where it is, e.g. `http://localhost`; this machine when left out.

        Raises:
            ConfigError: that is no URL.
            EngineNotRunningError: nothing is given, and the project's own is down.
        """
        if url is not None or management_port is not None:
            management = select.management_url(project, url, management_port)
            own = select.at(project, management)
            return cls.of(project, own) if own else cls(Endpoint(inference_url="", management_url=management))
        return cls.of(project, select.needed(project))
