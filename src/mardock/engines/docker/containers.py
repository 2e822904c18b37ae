"""The containers of a project: found again by the labels compose gives them, and told apart from everybody else's."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock import process
from mardock.endpoint import Endpoint
from mardock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker import DockerClient
    from docker.models.containers import Container

PROJECT_LABEL = "com.docker.compose.project"
FOLDER_LABEL = "com.docker.compose.project.working_dir"
SERVICE_LABEL = "com.docker.compose.service"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
KEY_FILE = "/tmp/key_file.json"  # noqa: S108 - in the container, where it is private to TorchServe
STOP_SECONDS = 10
INFERENCE, MANAGEMENT, METRICS = 8080, 8081, 8082  # in the container, always


def of_project(client: DockerClient, root: Path, service: Optional[str] = None) -> list[Container]:
    """Return a project's containers, those compose calls one-off last, otherwise the newest first."""
    labels = [f"{FOLDER_LABEL}={root}"] + ([f"{SERVICE_LABEL}={service}"] if service else [])
    found = client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
    return sorted(found, key=lambda container: container.labels.get(ONE_OFF_LABEL) == "True")


def pick(client: DockerClient, root: Path, service: str, name: Optional[str] = None) -> Optional[Container]:
    """Return a service's container: the one of that name, else the one there is, a running one before a stopped one.

    Raises:
        EngineError: the name belongs to a container that is not this service's.
    """
    if name is not None:
        named = client.containers.list(all=True, filters={"name": f"^/{name}$"}, ignore_removed=True)
        if named and not _is(named[0], root, service):
            raise _taken(named[0])
        return named[0] if named else None
    found = of_project(client, root, service)
    return next((container for container in found if container.status == "running"), found[0] if found else None)


def refuse_strangers(client: DockerClient, root: Path, project: str, service: str, name: Optional[str]) -> None:
    """Refuse names that would have compose take over, or stumble over, what belongs to another project.

    Raises:
        EngineError: the compose project or the container's name is another one's.
    """
    for container in client.containers.list(all=True, filters={"label": f"{PROJECT_LABEL}={project}"}):
        folder = container.labels.get(FOLDER_LABEL)
        if folder != str(root):
            raise EngineError(
                f"the compose project {project} belongs to {folder}",
                hint=f"give this one a name of its own in .env: COMPOSE_PROJECT_NAME={project}-2",
            )
    pick(client, root, service, name)


def refuse_taken_ports(client: DockerClient, ports: Iterable[int], own: Optional[Container]) -> None:
    """Refuse ports of this machine that something other than the project's own container listens on.

    Raises:
        EngineError: naming who holds the port, where that can be known, and the next free one.
    """
    for port in ports:
        if _free(port) or (own is not None and port in published(own).values()):
            continue
        holders = client.containers.list(filters={"publish": str(port)})
        holder = f"the container {holders[0].name}" if holders else process.port_holder(port) or "another process"
        free = next((candidate for candidate in range(port + 1, 65536) if _free(candidate)), port)
        raise EngineError(
            f"port {port} is taken by {holder}", hint=f"stop that, or set another port in .env, e.g. {free}"
        )


def published(container: Container) -> dict[int, int]:
    """Return the ports of this machine by the container's own ports."""
    ports = container.attrs["NetworkSettings"]["Ports"] or {}
    return {int(inner.split("/")[0]): int(outer[0]["HostPort"]) for inner, outer in ports.items() if outer}


def endpoint(container: Container) -> Endpoint:
    """Return where the TorchServe in a running container listens, with its keys when it asks for them."""
    ports = published(container)
    inference, management, metrics = (
        f"http://127.0.0.1:{ports[inner]}" if inner in ports else "" for inner in (INFERENCE, MANAGEMENT, METRICS)
    )
    keys = _keys(container)
    return Endpoint(inference, management, metrics, keys.get("inference"), keys.get("management"))


def describe(container: Container) -> dict[str, str]:
    """Return what is worth showing of a container, in display order."""
    state = container.attrs["State"]
    alive = state["Running"]
    return {
        "container": container.name or "",
        "image": container.attrs["Config"]["Image"],
        "state": state["Status"] if alive else f"{state['Status']} ({state['ExitCode']})",
        "health": state.get("Health", {}).get("Status", ""),
        "since": state["StartedAt" if alive else "FinishedAt"][:19] + "Z",
    }


def lines(container: Container, *, follow: bool, tail: int) -> Iterator[str]:
    """Yield what a container printed, oldest first, without line ends; a negative `tail` means all of it."""
    rest = b""
    for chunk in container.logs(stream=True, follow=follow, tail=tail if tail >= 0 else "all"):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.rstrip(b"\r").decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")


def remove(container: Container) -> None:
    """Stop and remove a container; one that is gone meanwhile is no error."""
    from docker.errors import NotFound

    with contextlib.suppress(NotFound):
        container.stop(timeout=STOP_SECONDS)
        container.remove(force=True)


def _keys(container: Container) -> dict[str, str]:
    if "MARDOCK_TOKEN_AUTH=true" not in container.attrs["Config"]["Env"]:
        return {}
    code, text = container.exec_run(["cat", KEY_FILE])  # the engine's own copy command does not see a tmpfs
    assert isinstance(text, bytes)
    try:
        return {kind: entry["key"] for kind, entry in json.loads(text).items()} if code == 0 else {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            f"TorchServe's key file in {container.name} cannot be read", hint="mardock down, then mardock up"
        ) from error


def _is(container: Container, root: Path, service: str) -> bool:
    return (container.labels.get(FOLDER_LABEL), container.labels.get(SERVICE_LABEL)) == (str(root), service)


def _taken(container: Container) -> EngineError:
    folder, service = container.labels.get(FOLDER_LABEL), container.labels.get(SERVICE_LABEL)
    owner = f"the project in {folder} (service {service})" if folder else "no mardock project"
    return EngineError(
        f"a container named {container.name} is there already and belongs to {owner}",
        hint="take another name: container_name=…",
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections do not hold a port
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE  # a low port may be the engine's to bind, though not ours
    return True
