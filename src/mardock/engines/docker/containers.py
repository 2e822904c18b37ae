"""The containers of a project: found again by the labels compose gives them, and told apart from everybody else's."""

from __future__ import annotations

import contextlib
import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import quote

from mardock import process
from mardock.endpoint import Endpoint
from mardock.engines import mounts, ports
from mardock.engines.docker import compose, daemon, folders
from mardock.engines.docker.folders import User
from mardock.engines.scratch import MEASURE, Scratch
from mardock.engines.threads import MODELS_VARIABLE, Threads
from mardock.errors import EngineError, EngineNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker import DockerClient
    from docker.models.containers import Container

    from mardock.engines.mounts import Mounts

PROJECT_LABEL = "com.docker.compose.project"
FOLDER_LABEL = "com.docker.compose.project.working_dir"
SERVICE_LABEL = "com.docker.compose.service"
HASH_LABEL = "com.docker.compose.config-hash"
NEEDS_LABEL = "com.docker.compose.depends_on"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
VOLUME_LABEL = "com.docker.compose.volume"
SERVICES = ("dev", "serve")
TEMP_VOLUME = "serve-tmp"  # the serve container's /tmp; other volumes a project may have hold what it wants kept
TEMP = "/tmp"  # noqa: S108 - in the container, where it is private to TorchServe
KEY_FILE = f"{TEMP}/key_file.json"
STOP_SECONDS = 10
# Ports in the container, always these, and what sets those of this machine.
INFERENCE, MANAGEMENT, METRICS, GRPC_INFERENCE = 8080, 8081, 8082, 7070
PORT_VARIABLES = {
    INFERENCE: "MARDOCK_INFERENCE_PORT",
    MANAGEMENT: "MARDOCK_MANAGEMENT_PORT",
    METRICS: "MARDOCK_METRICS_PORT",
    GRPC_INFERENCE: "MARDOCK_GRPC_INFERENCE_PORT",
    7071: "MARDOCK_GRPC_MANAGEMENT_PORT",
}
_SHARE = """
import json, pathlib, sys
sys.path.insert(0, "/opt/mardock")
from mardock.engines import warm
warm.share(pathlib.Path(sys.argv[1]), json.loads(sys.argv[2]))
"""


def may_serve(root: Path) -> bool:
    """Say whether a Docker Engine answers and, if it can be asked cheaply, runs a project's TorchServe."""
    return _may_have(label=[f"{FOLDER_LABEL}={root}", f"{SERVICE_LABEL}=serve"], status=["running"])


def may_exist(root: Path) -> bool:
    """Say whether a Docker Engine answers and, if it can be asked cheaply, has a container of a project."""
    return _may_have(label=[f"{FOLDER_LABEL}={root}"])


def _may_have(**filters: list[str]) -> bool:
    try:
        found = daemon.ask(f"/containers/json?all=true&filters={quote(json.dumps(filters))}")
    except EngineNotFoundError:
        return False
    return found is None or any(map(_may_be_mardocks, json.loads(found)))


def _may_be_mardocks(listed: Mapping[str, Any]) -> bool:
    mounted = [one["Destination"] for one in listed.get("Mounts") or ()]  # none at all may be an engine that tells none
    return (listed["Labels"] or {}).get(SERVICE_LABEL) in SERVICES and (not mounted or str(mounts.STORE) in mounted)


def of_project(client: DockerClient, root: Path, service: Optional[str] = None) -> list[Container]:
    """Return mardock's containers of a project: compose's own before others, running before stopped, newest first."""
    found = [one for one in _in_folder(client, root) if _is_mardocks(one) and service in (None, _service(one))]
    return sorted(found, key=lambda one: (one.labels.get(ONE_OFF_LABEL) == "True", one.status != "running"))


def with_what_they_need(client: DockerClient, root: Path) -> list[Container]:
    """Return mardock's containers of a project, and after them those compose started because they depend on them."""
    found = of_project(client, root)
    needed = {
        (one.labels[PROJECT_LABEL], entry.partition(":")[0])
        for one in found
        for entry in one.labels.get(NEEDS_LABEL, "").split(",")
    }
    others = [one for one in _in_folder(client, root) if (one.labels.get(PROJECT_LABEL), _service(one)) in needed]
    return found + [one for one in others if not _is_mardocks(one)]


def pick(client: DockerClient, root: Path, service: str, name: Optional[str] = None) -> Optional[Container]:
    """Return a service's container: the one of that name, else the first there is.

    Raises:
        EngineError: the name belongs to a container that is not this service's.
    """
    if name is None:
        return next(iter(of_project(client, root, service)), None)
    listed = client.containers.list(all=True, filters={"name": name}, ignore_removed=True)  # a pattern, not a name
    named = next((container for container in listed if container.name == name), None)
    if named is not None and not _is(named, root, service):
        raise _taken(named)
    return named


def refuse_strangers(
    client: DockerClient, root: Path, project: str, service: str, name: Optional[str], *, variable: str
) -> None:
    """Refuse names that would have compose take over, or stumble over, what belongs to another project.

    Args:
        variable: what names the compose project in .env.

    Raises:
        EngineError: the compose project or the container's name is another one's.
    """
    for container in client.containers.list(all=True, filters={"label": f"{PROJECT_LABEL}={project}"}):
        folder = container.labels.get(FOLDER_LABEL)
        if folder != str(root):
            raise EngineError(
                f"the compose project {project} belongs to {folder}",
                hint=f"give this one a name of its own in .env: {variable}={project}-2",
            )
    pick(client, root, service, name)


def refuse_taken_ports(client: DockerClient, published: Mapping[int, int]) -> None:
    """Refuse ports of this machine that something listens on; see `ports.refuse_taken`.

    Args:
        published: by the port of the serve container that each stands for.
    """

    def holder(port: int) -> Optional[str]:
        for running in client.api.containers():  # Podman has no filter for ports
            if any(one.get("PublicPort") == port for one in running["Ports"] or ()):
                return f"the container {running['Names'][0].lstrip('/')}"
        return process.port_holder(port)

    ports.refuse_taken(
        {PORT_VARIABLES[inner]: port for inner, port in published.items()}, holder=holder, privileged=True
    )


def published(container: Container) -> dict[int, int]:
    """Return the ports of this machine by the container's own ports."""
    bound = container.attrs["NetworkSettings"]["Ports"] or {}
    return {int(inner.split("/")[0]): int(outer[0]["HostPort"]) for inner, outer in bound.items() if outer}


def endpoint(container: Container) -> Endpoint:
    """Return where the TorchServe in a running container listens, without its tokens."""
    outer = published(container)
    inference, management, metrics = (
        f"http://127.0.0.1:{outer[inner]}" if inner in outer else "" for inner in (INFERENCE, MANAGEMENT, METRICS)
    )
    grpc = f"127.0.0.1:{outer[GRPC_INFERENCE]}" if GRPC_INFERENCE in outer else ""
    return Endpoint(inference, management, metrics, grpc_inference_address=grpc)


def key_file(container: Container) -> str:
    """Return the text of a running container's key file; empty while it has none, and where no tokens are asked for."""
    if "MARDOCK_TOKEN_AUTH=true" not in container.attrs["Config"]["Env"]:
        return ""
    code, text = container.exec_run(["cat", KEY_FILE])  # the engine's own copy command sees no tmpfs
    return text.decode() if code == 0 and isinstance(text, bytes) else ""


def mounted(container: Container) -> Mounts:
    """Return what of this machine a container sees, and where."""
    return {
        # Docker Desktop calls the folders of its host by their path in its virtual machine.
        Path(one["Destination"]): Path(os.path.realpath(one["Source"].removeprefix("/host_mnt")))
        if one["Type"] == "bind"
        else None
        for one in container.attrs["Mounts"]
    }


def python(container: Container) -> str:
    """Return the command in a serve container that runs its Python."""
    environ = dict(entry.partition("=")[::2] for entry in container.attrs["Config"]["Env"])
    return environ.get("MARDOCK_PYTHON") or "python"


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


def user(container: Container, root: Path) -> User:
    """Return whom a container of a project runs as, which may be another one than today's caller started it."""
    uid, _, gid = container.attrs["Config"]["User"].partition(":")
    known = uid.isdigit() and gid.isdigit() and uid != "0"  # a rootless engine's root is the caller
    return User(int(uid), int(gid)) if known else folders.user(root)


def threads(container: Container, machine: int) -> Optional[Threads]:
    """Return what the workers of a serve container compute with; `None` when mardock did not start it.

    Args:
        machine: how many cores the Docker Engine's machine has.
    """
    environ = dict(entry.split("=", 1) for entry in container.attrs["Config"]["Env"] if "=" in entry)
    per_worker = environ.get("MARDOCK_THREADS_PER_WORKER")
    if not per_worker:
        return None
    limits = container.attrs["HostConfig"]
    service = {"cpus": limits["NanoCpus"] / 1e9, "cpuset": limits["CpusetCpus"]}
    models = json.loads(environ.get(MODELS_VARIABLE) or "{}")
    fast = environ.get("MARDOCK_FAST_WORKERS", "").lower() == "true"
    return Threads(int(per_worker), compose.cores(service, machine), models, per_model=fast)


def lines(container: Container, *, follow: bool, tail: int) -> Iterator[str]:
    """Yield what a container printed, oldest first, without line ends; a negative `tail` means all of it."""
    rest = b""
    for chunk in container.logs(stream=True, follow=follow, tail=tail if tail >= 0 else "all"):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.rstrip(b"\r").decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")


def share_cores(container: Container, threads: Mapping[str, int]) -> None:
    """Tell the warm parent in a running serve container what `warm.share` tells one here."""
    container.exec_run([python(container), "-c", _SHARE, TEMP, json.dumps(dict(threads))])


def scratch(container: Container) -> Scratch:
    """Return how much room a running serve container has where it unpacks archives.

    Raises:
        EngineError: it cannot be measured.
    """
    code, said = container.exec_run([python(container), "-IS", "-c", MEASURE, TEMP])
    text = said.decode(errors="replace") if isinstance(said, bytes) else ""
    if code != 0:
        raise EngineError(f"{TEMP} of the container {container.name} cannot be measured", details=text or None)
    return Scratch(f"{TEMP} of the container {container.name}", int(text), "docker system df shows what fills its disk")


def remove(container: Container) -> None:
    """Stop and remove a container and its nameless volumes; one that is gone meanwhile is no error."""
    from docker.errors import NotFound

    with contextlib.suppress(NotFound):
        container.stop(timeout=STOP_SECONDS)
        discard(container)


def discard(container: Container) -> None:
    """Remove a container as it is, and its nameless volumes; one that is gone, or that others remove, is no error."""
    from docker.errors import APIError

    try:
        container.remove(force=True, v=True)
    except APIError as error:
        if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            raise


def remove_unused(client: DockerClient, project: str) -> None:
    """Remove what no container of a compose project needs any more: the serve container's /tmp, and its networks."""
    _remove_temp_volumes(client, project)
    _remove_networks(client, project)


def _remove_temp_volumes(client: DockerClient, project: str) -> None:
    from docker.errors import APIError, NotFound

    labels = [f"{PROJECT_LABEL}={project}", f"{VOLUME_LABEL}={TEMP_VOLUME}"]
    for volume in client.volumes.list(filters={"label": labels}):
        try:
            volume.remove()
        except NotFound:
            continue
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:  # a container has it
                raise


def _remove_networks(client: DockerClient, project: str) -> None:
    """Remove the networks of a compose project that no container is left of: an engine has room for some thirty."""
    label = f"{PROJECT_LABEL}={project}"
    if client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
        return
    for network in client.networks.list(filters={"label": label}, greedy=True):
        if not network.attrs["Containers"]:  # a container that was connected by hand keeps it
            network.remove()


def _in_folder(client: DockerClient, root: Path) -> list[Container]:
    return list(client.containers.list(all=True, filters={"label": f"{FOLDER_LABEL}={root}"}, ignore_removed=True))


def _service(container: Container) -> Optional[str]:
    return container.labels.get(SERVICE_LABEL)


def _is_mardocks(container: Container) -> bool:
    """Say whether a container is none of the user's own, which may be of the same folder and have such a name, too."""
    return _service(container) in SERVICES and mounts.STORE in mounted(container)


def _is(container: Container, root: Path, service: str) -> bool:
    ours = _is_mardocks(container) and _service(container) == service
    return ours and container.labels.get(FOLDER_LABEL) == str(root)


def _taken(container: Container) -> EngineError:
    folder, service = container.labels.get(FOLDER_LABEL), container.labels.get(SERVICE_LABEL)
    owner = f"the project in {folder} (service {service})" if folder else "no mardock project"
    return EngineError(
        f"a container named {container.name} is there already and belongs to {owner}",
        hint="take another name: --container-name, or container_name= of make",
    )
