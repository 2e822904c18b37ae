"""A container that lives as long as a block: files laid into it, one port open to this machine, nothing left of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Optional
from uuid import uuid4

from mardock.engines.docker import containers
from mardock.engines.docker.daemon import sdk

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_WORKSPACE_LABEL = "mardock.workspace"
_FETCH = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=5)
except urllib.error.HTTPError as refusal:
    answer = refusal
sys.stdout.buffer.write(answer.read())
"""


class Throwaway:
    """The running container.

    Attributes:
        host, port: where this machine reaches its open port.
        user: whom it runs as, as the image has it.
    """

    def __init__(self, container: Container, port: int) -> None:
        container.reload()
        self._container = container
        self.host = "127.0.0.1"
        # The engine publishes nothing of a container that has ended already.
        self.port = containers.published(container).get(port, 0)
        self.user = container.attrs["Config"]["User"] or "root"

    def exit_code(self) -> Optional[int]:
        """Return what the container ended with; None while it runs."""
        self._container.reload()
        state = self._container.attrs["State"]
        return None if state["Running"] else int(state["ExitCode"])

    def lines(self, tail: int = -1) -> list[str]:
        """Return what it printed so far, oldest first."""
        return list(containers.lines(self._container, follow=False, tail=tail))

    def fetch(self, url: str) -> Optional[bytes]:
        """Return what a URL answers within the container, whatever its status; None when nothing answers there."""
        from docker.errors import APIError

        try:
            code, (body, _) = self._container.exec_run(["python", "-IS", "-c", _FETCH, url], demux=True)
        except APIError:  # it ended meanwhile
            return None
        return bytes(body or b"") if code == 0 else None


@contextmanager
def throwaway(
    image: str,
    *,
    name: str,
    workspace: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    files: Mapping[str, Path],
    port: int,
) -> Iterator[Throwaway]:
    """Run a container for as long as the block lasts; it is removed however the block ends.

    One whose process was killed is removed by the next.

    Args:
        image: one that is here.
        name: its name's beginning.
        workspace: a folder that lasts as long as the block, or until somebody finds its process dead.
        command: the image's own when empty.
        files: by their path in the container, where they can only be read.
        port: the one to open, on 127.0.0.1 of this machine.

    Raises:
        EngineError: the Docker Engine refuses.
    """
    from docker.types import Mount

    unique = f"{name}-{uuid4().hex[:8]}"
    mounts = [Mount(target, str(source), type="bind", read_only=True) for target, source in files.items()]
    with sdk() as client:
        _sweep(client)
        try:
            container = client.containers.run(
                image,
                list(command) or None,
                name=unique,
                labels={_WORKSPACE_LABEL: str(workspace)},
                environment=dict(environment),
                mounts=mounts,
                ports={f"{port}/tcp": ("127.0.0.1", 0)},
                detach=True,
            )
            yield Throwaway(container, port)
        finally:
            _remove(client, unique)


def _sweep(client: DockerClient) -> None:
    for left in client.containers.list(all=True, filters={"label": _WORKSPACE_LABEL}, ignore_removed=True):
        if not Path(left.labels[_WORKSPACE_LABEL]).exists():
            containers.discard(left)


def _remove(client: DockerClient, name: str) -> None:
    """Remove a container by its name, which it has before the engine has told its id."""
    for left in client.containers.list(all=True, filters={"name": f"^/{name}$"}, ignore_removed=True):
        containers.discard(left)
