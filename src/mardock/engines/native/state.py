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

from mardock import own_folders, permissions
from mardock.endpoint import Endpoint
from mardock.engines.threads import Threads
from mardock.errors import EngineError
from mardock.process import ProcessId

_LONGEST_SOCKET_PATH = 103  # macOS; Linux allows 107
_SOCKET_NAME = "/.ts.sock.99999"
_PASSABLE = 0o711  # other users find the record by its name, and nothing else
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A started TorchServe.

    Attributes:
        pid, created: the JVM's process id and creation time, in seconds since the epoch.
        inference_url, management_url, metrics_url: where its APIs listen.
        grpc_inference_port, grpc_management_port: where its gRPC APIs listen, on 127.0.0.1.
        token_auth: whether it asks for the tokens of its key file.
        java, java_version, jvm_options, jar, torchserve, python, python_version: what it runs on.
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
    python: str
    python_version: str
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
    """The native engine's own folder in a project: the server's working directory.

    All of it is private to the user but the record, which tells others of the project where the server listens.
    """

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
            own_folders.make(self.path)
            self.path.chmod(_PASSABLE)
            shutil.rmtree(self.temp, ignore_errors=True)
            self.temp.mkdir(exist_ok=True, mode=0o700)
            found = self.temp.lstat()
        except OSError as error:
            raise permissions.refused(error) from error
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            mend = permissions.mend(self.temp) if self.temp.parent == self.path else f"ls -ld {self.temp}"
            raise EngineError(f"{self.temp} is not a private folder of yours", hint=mend)

    def read(self) -> Optional[Server]:
        """Return the server that was started last, alive or not; a record that makes no sense counts as none.

        None, too, when it was started elsewhere: its pid means nothing here.

        Raises:
            EngineError: the record is another user's, and private.
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
            EngineError: it cannot be read, as that of a server another user started.
        """
        try:
            if self.key_file.stat().st_mode & 0o077:
                _log.warning("%s could be read by others; it is made private now", self.key_file)
                self.key_file.chmod(0o600)
            return self.key_file.read_text(encoding="utf-8")
        except PermissionError as error:
            raise permissions.refused(error) from error
        except OSError as error:
            raise EngineError(
                f"cannot read {self.key_file}: {error.strerror}", hint="mardock down && mardock up makes a new one"
            ) from error

    def write(self, server: Server) -> None:
        """Record a started server, all at once."""
        partial = self._record.with_suffix(".tmp")
        partial.write_text(json.dumps(asdict(server), indent=2), encoding="utf-8")
        partial.chmod(0o644)
        partial.replace(self._record)

    def write_private(self, file: Path, text: str) -> None:
        """Write a file of the folder anew that no other user may read."""
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")

    def clear(self) -> None:
        """Forget the server, with what it left in its temp folder; its log lines stay.

        Raises:
            PermissionError: what it left is another user's.
        """
        for path in (self._record, self.key_file, self.class_list):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.temp, ignore_errors=True)

    def _recorded(self) -> Optional[Server]:
        try:
            with permissions.told():
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
