"""NativeEngine: starts, finds and stops the one TorchServe process of a project."""

from __future__ import annotations

import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock import permissions, process
from mardock.endpoint import Endpoint
from mardock.engines import in_place
from mardock.engines.base import EngineStatus, alone
from mardock.engines.native.state import Home, Server
from mardock.engines.scratch import MEASURE, Scratch
from mardock.engines.threads import shares_cores
from mardock.errors import EngineError, EngineNotRunningError
from mardock.interpreter import lacking

if TYPE_CHECKING:
    from mardock.settings.project import Project

_LOCK_TIMEOUT_S = 60.0
_MEASURE_TIMEOUT_S = 10.0
_log = logging.getLogger(__name__)


class NativeEngine:
    """Runs a project's TorchServe as a detached process of this machine.

    What it runs is rediscovered from `.mardock/native/server.json`, so any later command can use or stop it, and
    several projects run side by side.
    """

    name = "native"
    torch_is_here = True

    def __init__(self, project: Project) -> None:
        self._project = project
        self._home = Home(project.state)

    def up(self, *, timeout: float) -> Endpoint:
        """Start the server, or find it running with the same settings; see `Engine.up`.

        Raises:
            ConfigError: config.properties is wrong, or the logs or the model store cannot be written.
            EngineNotFoundError: TorchServe or a Java runtime is missing.
            EngineStartError: a port is taken, or the server did not become ready.
            EngineError: it runs with other settings, another command holds the project, another machine or container
                uses it, or what another user's left is in the way.
        """
        from mardock.engines.native import lifecycle

        deadline = time.monotonic() + timeout
        with alone(self._project, timeout=timeout), permissions.told():
            if self._home.is_used_elsewhere():
                raise EngineError(
                    "this project's server was started by another machine or container that shares its folder",
                    hint=f"mardock down there, or, when that is no more: rm -r {shlex.quote(str(self._home.path))}",
                )
            server = self._running()
            if server is None:
                server = lifecycle.start(self._project, self._home, deadline)
            else:
                lifecycle.join(server, self._project, self._home, deadline)
        return self._endpoint(server)

    def down(self) -> None:
        """Stop the server, its workers and the warm parent, and remove what they left; see `Engine.down`.

        A server that was started elsewhere is not touched.

        Raises:
            EngineError: it, or what it left, is another user's.
        """
        if os.path.lexists(self._home.path) and not self._home.is_used_elsewhere():
            from mardock.engines.native import lifecycle

            if theirs := self.not_ours():
                raise theirs
            with alone(self._project, timeout=_LOCK_TIMEOUT_S), permissions.told():
                lifecycle.stop(self._home)

    def not_ours(self) -> Optional[EngineError]:
        """Return the error that says who started the running server, where this user may not stop it."""
        server = self._running()
        whose = process.others(server.process) if server else None
        if server is None or whose is None:
            return None
        down = shlex.join(["sudo", sys.executable, "-m", "mardock", "-C", str(self._project.root), "down"])
        return EngineError(
            f"TorchServe of this project was started by {whose} (pid {server.pid})",
            hint=f"{whose} stops it with mardock down, and you with: {down}",
        )

    def sweep(self) -> None:
        """Remove what a server that died left behind, its orphaned workers too, unless a command is at work here."""
        if self._home.read() is None or self._running() is not None:
            return
        from mardock.engines.native import lifecycle

        try:
            with alone(self._project, timeout=0), permissions.told():
                if self._running() is None:
                    lifecycle.discard(self._home)
        except EngineError:
            return  # another command is at it and sweeps for itself, or what is left is another user's

    def status(self) -> EngineStatus:
        """Say whether the server runs; see `Engine.status`."""
        server = self._running()
        if server is None:
            return EngineStatus(self.name, running=False)
        details = {
            "pid": str(server.pid),
            **({"started by": whose} if (whose := process.others(server.process)) else {}),
            "started": datetime.fromtimestamp(server.created).astimezone().isoformat(timespec="seconds"),
            "torchserve": server.torchserve,
            "python": f"{server.python_version} ({server.python})",
            "java": f"{server.java_version} ({server.java})",
            "threads per worker": str(server.threads),
            "grpc": f"127.0.0.1:{server.grpc_inference_port} and :{server.grpc_management_port}",
            "logs": str(self._project.logs),
        }
        try:
            endpoint = self._endpoint(server)
        except EngineError as error:
            endpoint = server.endpoint
            details["tokens"] = error.message
        return EngineStatus(self.name, running=True, endpoint=endpoint, details=details, threads=server.threads)

    def ended(self) -> Optional[EngineNotRunningError]:
        """Return None: what a server left behind does not say how it ended; see `Engine.ended`."""
        return None

    def endpoint(self) -> Endpoint:
        """Return where the running server listens, with tokens that are valid; see `Engine.endpoint`."""
        server = self._running()
        if server is None:
            raise EngineNotRunningError("TorchServe is not running for this project", hint="mardock up")
        return self._endpoint(server)

    def logs(self, *, follow: bool, tail: int) -> Iterator[str]:
        """Yield the lines of ts_log.log, which holds the workers' output too; following ends with the server."""
        from mardock.engines import log_files

        path = self._project.logs / log_files.SERVER_LOG
        with permissions.told():
            there = path.exists()
        if not there:
            raise EngineNotRunningError("TorchServe has not been started here: there is no log", hint="mardock up")
        if follow:
            return log_files.follow(path, tail, lambda: self._running() is not None)
        return iter(log_files.last_lines(path, tail))

    def sees(self, path: Path) -> Optional[Path]:
        """Return the path without links in it: the workers see all that is here; see `Engine.sees`."""
        return Path(os.path.realpath(path))

    def dial(self, port: int) -> socket.socket:
        """Connect to a port of this machine, whose loopback is the server's; see `Engine.dial`."""
        return socket.create_connection(("127.0.0.1", port))

    def share_cores(self, model: str, workers: int) -> None:
        """Have the coming workers of a model share the cores; see `Engine.share_cores`."""
        server = self._running()
        if server is not None and shares_cores(self._project.settings, server.threads):
            from mardock.engines import warm

            warm.share(self._home.path, {model: server.threads.shared(workers)})

    def scratch(self) -> Scratch:
        """Say how much room the server's temp folder has; see `Engine.scratch`."""
        temp = self._home.temp
        done = process.run([sys.executable, "-IS", "-c", MEASURE, str(temp)], timeout=_MEASURE_TIMEOUT_S)
        if done.returncode != 0:
            raise EngineError(f"{temp} cannot be measured", details=done.stderr.strip() or None, hint=f"ls -ld {temp}")
        return Scratch(str(temp), int(done.stdout), f"df -h {temp} shows the disk")

    def exec(self, argv: Sequence[str], *, interactive: bool, writes: Sequence[Path] = ()) -> int:
        """Run a command in the environment that has torch, in the project's folder; see `Engine.exec`."""
        from mardock.engines.native.python import python_of

        python = python_of(self._project)
        if lacking(python, ["torch"]):  # which the command may do without
            _log.warning("torch is not installed in %s: %s", python.named, python.how_to_install())
        return in_place.run(argv, self._project.root, python.program)

    def exec_sees(self, paths: Sequence[Path]) -> bool:
        """It runs right here; see `Engine.exec_sees`."""
        return True

    def _running(self) -> Optional[Server]:
        server = self._home.read()
        return server if server is not None and process.alive(server.process) else None

    def _endpoint(self, server: Server) -> Endpoint:
        if not server.token_auth:
            return server.endpoint
        from mardock.engines.key_file import KeyFile

        return replace(server.endpoint, credentials=KeyFile(server.endpoint, self._home.keys))
