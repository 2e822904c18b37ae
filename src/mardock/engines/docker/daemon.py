"""The Docker Engine and its command line: where they are, what is missing of them, and the SDK's errors translated."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urlsplit

from mardock import process
from mardock.client.addressing import is_loopback
from mardock.engines.docker import start_failures
from mardock.errors import EngineError, EngineNotFoundError

if TYPE_CHECKING:
    from docker import DockerClient

OLDEST_COMPOSE = (2, 22)
PROBE_SECONDS = 1.5
_ANY_API = "1.44"
_WITHOUT = "or run without Docker: MARDOCK_ENGINE=native"
_PROGRAM = re.compile(r"^([\w -]+?),? version:? v?((\d+)\.(\d+)\S*)", re.MULTILINE)  # "Docker Compose version v2.40.3"


def engine_answers(timeout: float = PROBE_SECONDS) -> bool:
    """Say whether this machine has all that `DockerEngine` needs; a dead daemon is noticed within `timeout` seconds."""
    try:
        check(timeout)
    except EngineNotFoundError:
        return False
    return True


def check(timeout: float = PROBE_SECONDS) -> None:
    """Refuse a machine without the docker command, a daemon that answers it, or a Compose plugin that is new enough.

    Raises:
        EngineNotFoundError: with what was found and what is needed.
    """
    check_daemon(timeout)
    done = process.run(["docker", "compose", "version"], timeout=30)
    found = _PROGRAM.search(done.stdout)
    needed = ".".join(map(str, OLDEST_COMPOSE))
    plugin = "docker-compose-plugin" + (", which podman compose takes from Podman 4.7 on" if _is_podman() else "")
    hint = f"install Docker Compose {needed} or newer ({plugin}), {_WITHOUT}"
    if done.returncode != 0 or found is None:
        raise EngineNotFoundError("docker has no compose plugin", hint=hint)
    if found[1] != "Docker Compose":  # podman-compose, which cannot tell a service's hash, nor itself as JSON
        raise EngineNotFoundError(f"docker compose is {found[1]} {found[2]} here, not Docker Compose", hint=hint)
    if (int(found[3]), int(found[4])) < OLDEST_COMPOSE:
        raise EngineNotFoundError(f"Docker Compose {found[2]} is too old, it takes {needed}", hint=hint)


def check_daemon(timeout: float = PROBE_SECONDS) -> None:
    """Refuse a machine without the docker command or a daemon that answers within `timeout` seconds; see `ask`."""
    ask("/_ping", timeout)


def ask(path: str, timeout: float = PROBE_SECONDS) -> Optional[bytes]:
    """Return the daemon's answer to a GET request, without the SDK, whose import takes longer than the answer.

    Args:
        timeout: seconds it may take.

    Returns:
        The answer's body; `None` where a daemon that is not reached over a Unix socket seems to be there.

    Raises:
        EngineNotFoundError: with the address that was tried.
    """
    if shutil.which("docker") is None:
        raise EngineNotFoundError("docker is not installed", hint=f"install Docker, {_WITHOUT}")
    address = host()
    try:
        return _get(address, path, timeout)
    except PermissionError as error:
        raise EngineNotFoundError(
            f"you may not use the Docker Engine at {address}",
            hint="join its group (sudo usermod -aG docker $USER, then log in again) or set up rootless Docker",
        ) from error
    except OSError as error:
        raise EngineNotFoundError(
            f"no Docker Engine answers at {address}: {error.strerror or error}",
            hint=f"start it ({_how_to_start()}), {_WITHOUT}",
        ) from error


def host() -> str:
    """Return the engine's address as the docker command finds it: DOCKER_HOST, else its current context."""
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    context = os.environ.get("DOCKER_CONTEXT") or str(_read(folder / "config.json").get("currentContext", "default"))
    if context == "default":
        return "unix:///var/run/docker.sock"
    meta = folder / "contexts/meta" / hashlib.sha256(context.encode()).hexdigest() / "meta.json"
    try:
        return str(_read(meta)["Endpoints"]["docker"]["Host"])
    except KeyError as error:
        raise EngineNotFoundError(
            f"the docker context {context!r} names no Docker Engine", hint="docker context use default"
        ) from error


def is_local() -> bool:
    """Say whether the engine is reached over a Unix socket, and so is of this very machine."""
    return host().startswith("unix:")


def is_rootless(client: DockerClient) -> bool:
    """Say whether the engine runs as the caller, as rootless Docker and Podman do, and not as root."""
    return "name=rootless" in (client.info().get("SecurityOptions") or ())


@contextmanager
def sdk(timeout: int = 60) -> Iterator[DockerClient]:
    """Yield a client of the engine; what fails inside the block is raised as an EngineError.

    Args:
        timeout: seconds one request may take.
    """
    from docker.errors import APIError, DockerException

    check_daemon()
    client = None
    try:
        client = _connect(timeout)
        yield client
    except APIError as error:
        reason = str(error.explanation or error)
        cause = start_failures.find(reason)
        raise EngineError(
            f"the Docker Engine refused: {cause.message if cause else reason}",
            details=reason if cause else None,
            hint=cause.hint if cause else None,
        ) from error
    except (DockerException, OSError) as error:  # OSError is what requests' exceptions are
        raise EngineError(f"the Docker Engine failed: {error}", hint="docker info") from error
    finally:
        if client is not None:
            client.close()


def _connect(timeout: int) -> DockerClient:
    """Return a client that speaks the engine's version; as the docker command, it asks no proxy for the loopback."""
    import docker

    address = host()

    def speaking(version: Optional[str]) -> DockerClient:
        environment = {**os.environ, "DOCKER_HOST": address}
        return docker.from_env(version=version, timeout=timeout, environment=environment)

    if not is_loopback(urlsplit(address).hostname or ""):
        return speaking(None)
    found = speaking(_ANY_API)  # with one that is given nothing is asked before proxies are out of the way
    found.api.trust_env = False
    with closing(found):
        version = found.api.version(api_version=False)["ApiVersion"]
    client = speaking(version)
    client.api.trust_env = False
    return client


def _is_podman() -> bool:
    """Say whether the docker command is Podman's: a link to it, or a few lines of shell that call it."""
    command = Path(shutil.which("docker") or "docker").resolve()
    try:
        with command.open("rb") as file:
            return command.name == "podman" or (file.read(2) == b"#!" and b"podman" in file.read(1024))
    except OSError:
        return False


def _how_to_start() -> str:
    if not _is_podman():
        return "sudo systemctl start docker"
    return "systemctl --user start podman.socket && export DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock"


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineNotFoundError(f"docker's own {path} cannot be read: {error}", hint=f"mend {path}") from error
    return value if isinstance(value, dict) else {}


def _get(address: str, path: str, timeout: float) -> Optional[bytes]:
    url = urlsplit(address)
    if url.scheme == "tcp":
        socket.create_connection((url.hostname or "localhost", url.port or 2375), timeout).close()
    if url.scheme != "unix":
        return None  # ssh:// has no cheap probe: the first request tells
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(url.path)
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ConnectionError("what listens there is not a Docker Engine")
    return body
