"""One debug session: a version of a served model in a worker under debugpy, the default one for as long as it lasts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock import locks
from mardock.causes.audience import Audience, Then
from mardock.debugging import model_dir
from mardock.debugging.model_dir import PATIENCE_S, Plan
from mardock.debugging.relay import Relay
from mardock.debugging.worker import LISTENS, SETTINGS
from mardock.engines.base import Engine, Stream
from mardock.errors import (
    EngineNotRunningError,
    ModelNotFoundError,
    ServingError,
)
from mardock.listener import SILENT, Listener
from mardock.serving.draining import Drain
from mardock.serving.servable import Wanted
from mardock.serving.served_model import ServedModel
from mardock.serving.server import Server
from mardock.serving.session_lock import session
from mardock.serving.side_version import SideVersion
from mardock.serving.sweep import sweep
from mardock.settings.project import Project
from mardock.settings.schema import ModelSettings
from mardock.side_names import Kind, SideName

_POLL_S = 0.1
_ANSWERS_S = 30.0


@dataclass(frozen=True)
class Debugged:
    """A model in the debugger.

    Attributes:
        model, version: what is served; the version is the default one.
        port: where debuggers attach, on 127.0.0.1.
        remote_root: the project's folder as the debugger knows it.
    """

    model: str
    version: str
    port: int
    remote_root: str


class Session:
    """Serves one model of a project under debugpy, beside the version that is the default one until then.

    That version is left as it is, workers, timeouts and all; at the end it only becomes the default one again.

    Args:
        engine: runs the project's server.
        listener: notes what is being done.
    """

    def __init__(self, project: Project, model: ModelSettings, engine: Engine, listener: Listener = SILENT) -> None:
        self._project = project
        self._settings = model
        self._engine = engine
        self._listener = listener
        self._name = model.archive.model_name

    @contextmanager
    def run(self, port: int, *, wait: bool, listening: Callable[[Debugged], None]) -> Iterator[Debugged]:
        """Have the model in the debugger inside the block.

        Args:
            port: where debuggers are to attach; any free port when 0.
            wait: load the model only once a debugger is attached.
            listening: called as soon as one can attach, which may be before the model is loaded.

        Raises:
            EngineNotFoundError: debugpy is not installed.
            ConfigError: files of the model are missing, or another process debugs or watches it.
            ModelNotFoundError: the model is not registered.
            ArchiveError: one of its Python files cannot be parsed.
            EngineError: the port is taken.
            WorkerFailedError: the model did not load; `details` is the handler's own traceback.
            EngineNotRunningError: the server is down, or ended meanwhile.
        """
        model_dir.debugpy_folder()
        with ExitStack() as stack:
            stack.enter_context(session(self._project.model_store, self._name, "debugged"))
            self._model = stack.enter_context(ServedModel(Server.of(self._project, self._engine), self._name))
            side, plan = self._plan(wait=wait)
            relay = stack.enter_context(Relay(port, self._connect))
            stack.callback(self._put_back, side, relay)
            model_dir.lay_out(plan, self._project.root, side.folder)
            debugged = Debugged(self._name, plan.version, relay.port, self._remote_root(plan, side))
            self._serve(plan, side, debugged, listening)
            yield debugged

    def watch(self, debugged: Debugged) -> None:
        """Look after the session until it ends by itself; returns never.

        Raises:
            EngineNotRunningError: the server ended.
            ModelNotFoundError: somebody unregistered the debugged version.
        """
        while True:
            time.sleep(1)
            try:
                self._model.status(debugged.version)
            except EngineNotRunningError as error:
                message = f"TorchServe ended while {debugged.model} was debugged"
                raise EngineNotRunningError(message, hint="mardock up") from error

    def _plan(self, *, wait: bool) -> tuple[SideVersion, Plan]:
        """Say what is to be served beside what, once nothing of a session that was killed is left."""
        spec = self._settings.archive
        sweep(self._model, Drain(self._model.server.endpoint), own=spec.version)
        try:
            previous = self._model.management.describe_default(self._name).version
        except ModelNotFoundError as error:
            raise error.but(hint=f"mardock register {self._name}") from error
        side = SideVersion(self._model, SideName(previous, Kind.DEBUGGED))
        return side, Plan(spec, side.version, wait, self._engine.sees(self._project.root))

    def _serve(self, plan: Plan, side: SideVersion, debugged: Debugged, listening: Callable[[Debugged], None]) -> None:
        patient = {"response_timeout": PATIENCE_S, "startup_timeout": PATIENCE_S}
        serving = dataclasses.replace(self._settings.serving, initial_workers=1, **patient)
        told: list[Debugged] = []

        def tell() -> None:
            if not told and self._port() is not None:
                told.append(debugged)
                listening(debugged)

        self._model.mark()
        self._listener.note(f"loading {self._name} {plan.version} under debugpy")
        self._model.audience = Audience(plan.spec.python_sources(self._project.root), debugged.remote_root, Then.DEBUG)
        wanted = Wanted(side.folder.name, self._name, plan.version, None, serving, handler=plan.handler)
        called = f"{self._name} keeps serving as it was: {self._name} {plan.version}"
        side.load(wanted, called=called, meanwhile=tell)
        side.promote()

    def _put_back(self, side: SideVersion, relay: Relay) -> None:
        """Let the version be the default one that was, answer what the debugger held up, remove all traces."""
        try:
            side.step_back()
            relay.close()
            with suppress(ModelNotFoundError):
                self._answer_all(side)
        except EngineNotRunningError:
            self._listener.note(f"{self._name} is served no more: TorchServe does not run")
        finally:
            side.remove()

    def _answer_all(self, side: SideVersion) -> None:
        """Wait until the worker is idle: TorchServe never answers what a worker it ends was at work on."""
        deadline = time.monotonic() + _ANSWERS_S
        idle = 0
        while idle < 2 and time.monotonic() < deadline:
            waiting = self._model.status(side.version).pending_requests
            idle = 0 if waiting or _is_busy(side.folder) else idle + 1
            time.sleep(_POLL_S)

    def _connect(self) -> Stream:
        port = self._port()
        if port is None:
            raise ServingError("debugpy does not listen yet")
        return self._engine.dial(port)

    def _port(self) -> Optional[int]:
        """Return where the newest worker's debugpy listens; a worker that died has had another port."""
        for line in reversed(self._model.log_since_mark()):
            _, found, port = line.partition(LISTENS)
            if found:
                return int(port)
        return None

    def _remote_root(self, plan: Plan, side: SideVersion) -> str:
        sources = side.folder / model_dir.SOURCES
        return str(plan.root or self._engine.sees(sources) or sources)


def _is_busy(folder: Path) -> bool:
    """Say whether its worker is at work on a batch; see `worker`."""
    with suppress(FileNotFoundError), locks.attempt(folder / SETTINGS, make=False) as idle:
        return idle is None
    return False
