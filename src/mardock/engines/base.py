"""The Engine protocol: who runs TorchServe, and nothing about which models it serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Protocol

from mardock import locks
from mardock.endpoint import Endpoint
from mardock.engines.scratch import Scratch
from mardock.engines.threads import Threads
from mardock.errors import EngineNotRunningError
from mardock.settings.project import Project


@dataclass(frozen=True)
class EngineStatus:
    """What an engine knows of its server without asking TorchServe itself.

    Attributes:
        engine: `docker` or `native`, or `serve` in the dev container.
        running: whether the server's process or container is alive.
        endpoint: where it listens, `None` when it is down.
        details: what else is worth showing, in display order (pid, image, container, health, Java version, ...).
        threads: what its workers compute with; `None` when it is down, or was not started by mardock.
    """

    engine: str
    running: bool
    endpoint: Optional[Endpoint] = None
    details: dict[str, str] = field(default_factory=dict)
    threads: Optional[Threads] = None


class Stream(Protocol):
    """Bytes both ways: what a socket and a tunnel into a container have in common."""

    def recv(self, size: int, /) -> bytes:
        """Return what came, at most `size` bytes; nothing at the end."""
        ...

    def sendall(self, data: bytes, /) -> None:
        """Send all of `data`."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class Engine(Protocol):
    """Lifecycle of one project's TorchServe. Docker and native honour all of it; in the dev container it is refused.

    Attributes:
        torch_is_here: whether `exec` runs its command right here.
    """

    name: str
    torch_is_here: bool

    def up(self, *, timeout: float) -> Endpoint:
        """Start the server, or find it running, and return once its Inference API answers.

        Args:
            timeout: seconds to wait.

        Raises:
            EngineNotFoundError: the machine lacks what this engine needs.
            EngineStartError: it did not become ready; `details` holds its last log lines.
        """
        ...

    def down(self) -> None:
        """Stop the server and everything it started. A server that is not running is no error."""
        ...

    def status(self) -> EngineStatus:
        """Say whether the server runs; never raises because it is down."""
        ...

    def ended(self) -> Optional[EngineNotRunningError]:
        """Return the error that says how a server that is down came to its end; None when nobody can tell.

        Raises:
            EngineError: it cannot be asked.
        """
        ...

    def endpoint(self) -> Endpoint:
        """Return where the running server listens.

        Raises:
            EngineNotRunningError: it is down.
        """
        ...

    def logs(self, *, follow: bool, tail: int) -> Iterator[str]:
        """Yield the server's log lines, oldest first, without line ends; a negative `tail` means all of them."""
        ...

    def sees(self, path: Path) -> Optional[Path]:
        """Return where the server's workers see a file or folder of the project; None where they do not.

        Args:
            path: there or not, with links in it or without.

        Raises:
            EngineError: the engine cannot be asked; that the server is down is no error.
        """
        ...

    def dial(self, port: int) -> Stream:
        """Open a stream to a port of the server's own loopback, for whoever calls to close.

        Raises:
            EngineNotRunningError: it is down.
            EngineError: it cannot be reached from here.
            OSError: nobody listens there; where that shows only later, the stream is at its end at once.
        """
        ...

    def share_cores(self, model: str, workers: int) -> None:
        """Have the coming workers of a model, so many of them, share the cores, unless it asks for threads itself.

        Workers that are not fast cannot be told, and go on with what the server was started with.

        Args:
            model: the name it is served under.

        Raises:
            EngineError: the server cannot be told.
        """
        ...

    def scratch(self) -> Scratch:
        """Say how much room the running server has for what it unpacks.

        Raises:
            EngineError: it is down, or cannot be asked.
        """
        ...

    def exec(self, argv: Sequence[str], *, interactive: bool, writes: Sequence[Path] = ()) -> int:
        """Run a command where torch lives, in the project's folder, and return its exit code.

        Args:
            interactive: whether it gets this terminal.
            writes: the files of the project it is to write, as far as they are known.

        Raises:
            EngineError: one of them cannot be written there.
        """
        ...

    def exec_sees(self, paths: Sequence[Path]) -> bool:
        """Say whether what `exec` runs has all of these files, which lie outside of the project.

        Args:
            paths: free of symlinks.
        """
        ...


def alone(project: Project, *, timeout: float) -> AbstractContextManager[None]:
    """Let one command at a time start or stop a project's server.

    Args:
        timeout: seconds to wait for another one.

    Raises:
        EngineError: another one is still at it then.
    """
    return locks.hold(project.state / "lock", doing="starting or stopping this project's server", timeout=timeout)
