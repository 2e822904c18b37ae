"""ServeContainer: TorchServe as the dev container sees it, beside it on the compose project's network."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NoReturn, Optional

from mardock.client import probe
from mardock.endpoint import Endpoint
from mardock.engines import in_place, log_files, mounts
from mardock.engines.base import EngineStatus
from mardock.engines.scratch import Scratch
from mardock.errors import EngineNotRunningError, OnHostError
from mardock.interpreter import Here

if TYPE_CHECKING:
    from mardock.settings.project import Project

SERVICE = "serve"
# The ports in the container: those that .env sets are the host's.
ENDPOINT = Endpoint(
    f"http://{SERVICE}:8080",
    f"http://{SERVICE}:8081",
    f"http://{SERVICE}:8082",
    grpc_inference_address=f"{SERVICE}:7070",
)
_START = "mardock serve run"
_PATIENCE_S = 2.0
_LOOK_EVERY_S = 1.0


class ServeContainer:
    """The serve container of a project, for commands in its dev container.

    They reach it, read its log and run what needs torch right here; starting and stopping it is for the host, which
    alone has its tokens, too.
    """

    name = "serve"
    torch_is_here = True

    def __init__(self, project: Project) -> None:
        self._project = project

    def up(self, *, timeout: float) -> Endpoint:
        """Refuse; see `Engine.up`.

        Raises:
            OnHostError: always.
        """
        raise OnHostError("TorchServe is started on the host, and this is the dev container")

    def down(self) -> None:
        """Refuse; see `Engine.down`.

        Raises:
            OnHostError: always.
        """
        raise OnHostError("TorchServe is stopped on the host, and this is the dev container")

    def answers(self) -> bool:
        """Say whether TorchServe answers there, with or without its tokens."""
        return _is_there(_PATIENCE_S) and probe.answers(ENDPOINT, _PATIENCE_S)

    def status(self) -> EngineStatus:
        """Say whether it answers; see `Engine.status`.

        Raises:
            OnHostError: it asks for its tokens.
        """
        if not self.answers():
            return EngineStatus(self.name, running=False)
        details = {
            "container": f"{SERVICE}, beside this one; the host starts and stops it",
            "grpc": ENDPOINT.grpc_inference_address,
            "logs": str(self._project.logs),
        }
        return EngineStatus(self.name, running=True, endpoint=_without_tokens(), details=details)

    def endpoint(self) -> Endpoint:
        """Return where it listens on the compose project's network; see `Engine.endpoint`.

        Raises:
            OnHostError: it asks for its tokens.
        """
        if not self.answers():
            raise self.ended()
        return _without_tokens()

    def ended(self) -> EngineNotRunningError:
        """Return the error that says how to get the container that is not there; see `Engine.ended`."""
        return EngineNotRunningError("TorchServe does not run beside this dev container", hint=_START)

    def logs(self, *, follow: bool, tail: int) -> Iterator[str]:
        """Yield the lines of ts_log.log, which both containers mount; following ends with the server."""
        path = self._project.logs / log_files.SERVER_LOG
        if not path.exists():
            raise EngineNotRunningError("TorchServe has not been started yet: there is no log", hint=_START)
        if follow:
            return log_files.follow(path, tail, self._looks())
        return iter(log_files.last_lines(path, tail))

    def sees(self, path: Path) -> Optional[Path]:
        """Return where docker-compose.yml mounts it there: the container itself is asked on the host alone."""
        return mounts.seen(path, mounts.composed(self._project.root))

    def dial(self, port: int) -> NoReturn:
        """Refuse: its loopback is its own; see `Engine.dial`.

        Raises:
            OnHostError: always.
        """
        raise OnHostError("the serve container's own ports are reached from the host, and this is the dev container")

    def share_cores(self, model: str, workers: int) -> None:
        """Refuse: the warm parent of its workers listens in that container alone; see `Engine.share_cores`.

        Raises:
            OnHostError: always.
        """
        raise OnHostError("workers are given their share of the cores from the host, and this is the dev container")

    def scratch(self) -> Scratch:
        """Refuse: its temp folder is its own; see `Engine.scratch`.

        Raises:
            OnHostError: always.
        """
        raise OnHostError("the serve container's /tmp is measured from the host, and this is the dev container")

    def exec(self, argv: Sequence[str], *, interactive: bool, writes: Sequence[Path] = ()) -> int:
        """Run a command here, in the project's folder; see `Engine.exec`."""
        return in_place.run(argv, self._project.root, Here().program)

    def exec_sees(self, paths: Sequence[Path]) -> bool:
        """It runs right here; see `Engine.exec_sees`."""
        return True

    def _looks(self) -> Callable[[], bool]:
        """Return what says whether it answers, and asks it only now and then: following a log asks all the time."""
        due, found = 0.0, True

        def look() -> bool:
            nonlocal due, found
            if time.monotonic() >= due:
                found, due = self.answers(), time.monotonic() + _LOOK_EVERY_S
            return found

        return look


def _is_there(timeout: float) -> bool:
    """Say whether the service has an address.

    While it does not run, Docker passes the question on to the host's name servers, and where none answers that lasts.
    The dot at the end keeps search domains out of it, in which somebody else's `serve` may be.
    """
    found = threading.Event()

    def look_up() -> None:
        with suppress(OSError):
            socket.getaddrinfo(f"{SERVICE}.", None)
            found.set()

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(timeout)
    return found.is_set()


def _without_tokens() -> Endpoint:
    if probe.asks_for_token(ENDPOINT, _PATIENCE_S):
        raise OnHostError("TorchServe asks for its tokens, which the host has and this dev container has not")
    return ENDPOINT
