"""What one command leaves for the next: which process is the project's server, and where it listens."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from mardock import own_folders
from mardock.endpoint import Endpoint
from mardock.engines.threads import Threads
from mardock.errors import EngineError
from mardock.process import ProcessId

_LONGEST_SOCKET_PATH = 103  # macOS; Linux allows 107
_SOCKET_NAME = "/.ts.sock.99999"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A started TorchServe.

    Attributes:
        pid, created: the JVM's process id and creation time, in seconds since the epoch.
        inference_url, management_url, metrics_url: where its APIs listen.
        grpc_inference_port, grpc_management_port: where its gRPC APIs listen, on 127.0.0.1.
        token_auth: whether it asks for the tokens of its key file.
        java, java_version, jvm_options, jar, torchserve: what it runs on.
        class_archive: where the JVM's class archive belongs.
        place: where its pid counts, as `place` says.
        threads: what its workers compute with.
    """

    pid: int
    created: float
    inference_url: str
    management_url: str
    metrics_url: str
    grpc_inference_port: int
    grpc_management_port: int
    token_auth: bool
    java: str
    java_version: str
    jvm_options: list[str]
    jar: str
    torchserve: str
    class_archive: str
    place: str
    threads: Threads

    @property
    def process(self) -> ProcessId:
        """The JVM."""
        return ProcessId(self.pid, self.created)

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens, without tokens."""
        grpc = f"127.0.0.1:{self.grpc_inference_port}"
        return Endpoint(self.inference_url, self.management_url, self.metrics_url, grpc_inference_address=grpc)


class Home:
    """The native engine's own folder in a project: the server's working directory, private to the user."""

    def __init__(self, project_state: Path) -> None:
        self.path = project_state / "native"
        self.config = self.path / "config.properties"
        self.key_file = self.path / "key_file.json"
        self.console = self.path / "console.log"
        self.programs = self.path / "bin"
        self.class_list = self.path / "classes.lst"
        self._record = self.path / "server.json"

    @property
    def temp(self) -> Path:
        """The server's temp folder, which holds its workers' sockets; elsewhere when that path is too long."""
        inside = self.path / "tmp"
        if len(os.fsencode(inside)) + len(_SOCKET_NAME) <= _LONGEST_SOCKET_PATH:
            return inside
        key = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return Path(tempfile.gettempdir(), f"mardock-{os.getuid()}-{key}")

    def make(self) -> None:
        """Make the folder and an empty temp folder.

        Raises:
            EngineError: they cannot be made, or the temp folder's name was taken by someone else.
        """
        try:
            own_folders.make(self.path, mode=0o700)
            shutil.rmtree(self.temp, ignore_errors=True)
            self.temp.mkdir(exist_ok=True, mode=0o700)
            found = self.temp.lstat()
        except OSError as error:
            raise EngineError(f"cannot make {error.filename}: {error.strerror}", hint=f"ls -ld {self.path}") from error
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise EngineError(f"{self.temp} is not a private folder of yours", hint=f"ls -ld {self.temp}")

    def read(self) -> Optional[Server]:
        """Return the server that was started last, alive or not; an unreadable record counts as none.

        None, too, when it was started elsewhere: its pid means nothing here.
        """
        server = self._recorded()
        return server if server is not None and server.place == place() else None

    def is_used_elsewhere(self) -> bool:
        """Say whether another machine or container that sees this folder has started a server from it.

        Nothing of it may be touched then, the sockets in its folders least of all: a bind mount carries them along.
        """
        server = self._recorded()
        return server is not None and server.place != place()

    def keys(self) -> str:
        """Return the text of the server's key file, which is made private when others could read it.

        Raises:
            EngineError: it cannot be read.
        """
        try:
            if self.key_file.stat().st_mode & 0o077:
                _log.warning("%s could be read by others; it is made private now", self.key_file)
                self.key_file.chmod(0o600)
            return self.key_file.read_text(encoding="utf-8")
        except OSError as error:
            raise EngineError(
                f"cannot read {self.key_file}: {error.strerror}", hint="mardock down && mardock up makes a new one"
            ) from error

    def write(self, server: Server) -> None:
        """Record a started server, all at once."""
        partial = self._record.with_suffix(".tmp")
        partial.write_text(json.dumps(asdict(server), indent=2), encoding="utf-8")
        partial.replace(self._record)

    def clear(self) -> None:
        """Forget the server, with what it left in its temp folder; its log lines stay."""
        for path in (self._record, self.key_file, self.class_list):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.temp, ignore_errors=True)

    def _recorded(self) -> Optional[Server]:
        try:
            record: Any = json.loads(self._record.read_text(encoding="utf-8"))
            return Server(**{**record, "threads": Threads(**record["threads"])})
        except (FileNotFoundError, KeyError, ValueError, TypeError):
            return None


def place() -> str:
    """Return what tells apart where a pid counts: the machine and, on Linux, the container."""
    if sys.platform != "linux":
        return sys.platform
    machine = Path("/etc/machine-id")
    name = machine.read_text(encoding="ascii").strip() if machine.is_file() else ""
    return f"{name or os.uname().nodename} {Path('/proc/self/ns/pid').readlink()}"
