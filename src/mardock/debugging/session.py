"""One debug session: a version of a served model in a worker under debugpy, the default one for as long as it lasts."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock.causes.audience import Audience, Then
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.client.readiness import wait_until_ready
from mardock.debugging import model_dir
from mardock.debugging.model_dir import PATIENCE_S, Plan
from mardock.debugging.relay import Relay, Stream
from mardock.debugging.worker import HOST, LISTENS, SETTINGS
from mardock.engines.base import Engine
from mardock.errors import (
    EngineNotRunningError,
    MardockError,
    ModelConflictError,
    ModelNotFoundError,
    ServingError,
)
from mardock.registration.diagnosis import LogPosition, explain_start
from mardock.registration.model_lock import model_lock
from mardock.settings.project import Project
from mardock.settings.schema import ModelSettings

CONTAINER_STORE = "/home/model-server/model-store"

_SUFFIX = "-debug"
_POLL_S = 0.2
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
        report: told what is being done.
    """

    def __init__(
        self, project: Project, model: ModelSettings, engine: Engine, report: Callable[[str], None] = lambda _: None
    ) -> None:
        self._project = project
        self._settings = model
        self._engine = engine
        self._report = report
        self._name = model.archive.model_name
        self._folder = project.model_store / f".{self._name}{_SUFFIX}"
        self._since = LogPosition()

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
            stack.enter_context(model_lock(self._project.state, self._name, "debugged"))
            self._sweep()
            plan = self._plan(wait=wait)
            relay = stack.enter_context(Relay(port, self._connect))
            stack.callback(self._put_back, plan, relay)
            model_dir.lay_out(plan, self._project.root, self._folder)
            debugged = Debugged(self._name, plan.version, relay.port, self._remote_root(plan))
            self._serve(plan, debugged, listening)
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
                with self._client() as client:
                    client.describe(debugged.model, debugged.version)
            except EngineNotRunningError as error:
                message = f"TorchServe ended while {debugged.model} was debugged"
                raise EngineNotRunningError(message, hint="mardock up") from error

    def _plan(self, *, wait: bool) -> Plan:
        with self._client() as client:
            try:
                previous = client.describe_default(self._name).version
            except ModelNotFoundError as error:
                raise error.but(hint=f"mardock register {self._name}") from error
        version = f"{self._settings.archive.version}{_SUFFIX}"
        return Plan(self._settings.archive, version, wait, previous, mirrored=self._engine.name == "docker")

    def _serve(self, plan: Plan, debugged: Debugged, listening: Callable[[Debugged], None]) -> None:
        serving = self._settings.serving
        self._since = LogPosition.now(self._engine)
        self._report(f"loading {self._name} {plan.version} under debugpy")
        told: list[Debugged] = []

        def tell() -> None:
            if not told and self._port() is not None:
                told.append(debugged)
                listening(debugged)

        def look() -> ModelStatus:
            tell()
            return client.describe(self._name, plan.version)[0]

        with self._client() as client:
            try:
                client.register(
                    self._folder.name,
                    model_name=self._name,
                    handler=plan.handler,
                    initial_workers=1,
                    batch_size=serving.batch_size,
                    max_batch_delay=serving.max_batch_delay,
                    response_timeout=PATIENCE_S,
                    startup_timeout=PATIENCE_S,
                    synchronous=False,
                )
                wait_until_ready(look, workers=1, timeout=PATIENCE_S, poll=_POLL_S)
                tell()  # it may have begun to listen, and loaded the model, since it was looked at last
            except ModelConflictError:
                raise
            except MardockError as error:
                raise self._explained(error, plan, debugged.remote_root) from error
            client.set_default(self._name, plan.version)

    def _explained(self, error: MardockError, plan: Plan, root: str) -> MardockError:
        what = f"{self._name} keeps serving as it was: {self._name} {plan.version}"
        audience = Audience(plan.spec.python_sources(self._project.root), root, Then.DEBUG)
        return explain_start(self._engine, self._name, plan.version, self._since, error, what=what, audience=audience)

    def _put_back(self, plan: Plan, relay: Relay) -> None:
        """Let the version be the default one that was, and remove all traces."""
        try:
            self._restore(plan.previous, relay)
        except EngineNotRunningError:
            self._report(f"{self._name} is served no more: TorchServe does not run")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Undo what a session that was killed left behind."""
        previous = model_dir.read_previous(self._folder)
        if previous is not None:
            self._restore(previous)
        shutil.rmtree(self._folder, ignore_errors=True)  # what stays is told when it is laid out again

    def _restore(self, previous: str, relay: Optional[Relay] = None) -> None:
        """Serve the version that was the default one, answer what the debugger held up, end the debug worker."""
        with self._client() as client:
            with suppress(ModelNotFoundError):  # somebody replaced it meanwhile
                client.set_default(self._name, previous)
            if relay:
                relay.close()
            with suppress(ModelNotFoundError):
                for status in client.describe(self._name):
                    if status.url == self._folder.name:
                        self._answer_all(client, status.version)
                        client.unregister(self._name, status.version)

    def _answer_all(self, client: ManagementClient, version: str) -> None:
        """Wait until the worker is idle: TorchServe never answers what a worker it ends was at work on."""
        deadline = time.monotonic() + _ANSWERS_S
        idle = 0
        while idle < 2 and time.monotonic() < deadline:
            waiting = client.describe(self._name, version)[0].pending_requests
            idle = 0 if waiting or self._busy() else idle + 1
            time.sleep(_POLL_S / 2)

    def _busy(self) -> bool:
        with suppress(FileNotFoundError), (self._folder / SETTINGS).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _client(self) -> ManagementClient:
        return ManagementClient(self._engine.endpoint())  # anew each time: tokens expire while one debugs

    def _connect(self) -> Stream:
        port = self._port()
        if port is None:
            raise ServingError("debugpy does not listen yet")
        if self._engine.name != "docker":
            return socket.create_connection((HOST, port))
        from mardock.engines.docker.tunnel import Tunnel

        return Tunnel(self._project, port)

    def _port(self) -> Optional[int]:
        """Return where the newest worker's debugpy listens; a worker that died has had another port."""
        for line in reversed(self._since.lines_since(self._engine)):
            _, found, port = line.partition(LISTENS)
            if found:
                return int(port)
        return None

    def _remote_root(self, plan: Plan) -> str:
        if not plan.mirrored:
            return str(Path(os.path.realpath(self._project.root)))
        return f"{CONTAINER_STORE}/{self._folder.name}/{model_dir.SOURCES}"
