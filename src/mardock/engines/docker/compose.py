"""docker compose: the environment its file is read with, and the one way it is called."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import mardock
from mardock import process
from mardock.engines.docker import compose_files, folders, packaged, start_failures
from mardock.errors import EngineError, EngineNotFoundError
from mardock.listener import Listener
from mardock.settings.project import Project

_OWN = "-mardock"  # of a compose project beside the user's own


def project_name(project: Project) -> str:
    """Return the compose project: COMPOSE_PROJECT_NAME, else the folder's name, normalised as compose does.

    Where compose would work on other files than mardock's, that name is the user's own project, whose `down` would take
    these containers along, and the other way round; so there they are another one's, MARDOCK_COMPOSE_PROJECT if set.
    """
    machine = project.settings.machine
    named = machine.project_name or re.sub(r"[^-_a-z0-9]", "", project.root.name.lower()).lstrip("_-") or "mardock"
    return machine.compose_project or named + ("" if compose_files.of(project).shared else _OWN)


def project_variable(project: Project) -> str:
    """Return the variable of .env that gives the compose project another name, and no other one."""
    from mardock.settings.schema import ENVIRONMENT_NAMES

    shared = compose_files.of(project).shared and project.settings.machine.compose_project is None
    return ENVIRONMENT_NAMES["project_name" if shared else "compose_project"]


def dev_container(project: Project) -> str:
    """Return the name of the dev container where no other one is asked for."""
    return project.settings.machine.dev_container or f"{project_name(project)}-dev"


def environment(
    project: Project, image: str, containers: Optional[Mapping[str, str]] = None, *, rootless: bool = False
) -> dict[str, str]:
    """Return the variables that docker-compose.yml is read with.

    Args:
        image: what the serve service runs.
        containers: names of containers by service, where they differ from the settings'.
        rootless: whether the engine is; root in its containers is the caller, and any other user owns nothing here.
    """
    from mardock.settings.schema import ENVIRONMENT_NAMES

    machine = project.settings.machine
    uid, gid = (0, 0) if rootless else folders.user(project.root)
    settings = {variable: getattr(machine, field) for field, variable in ENVIRONMENT_NAMES.items()}
    computed = {
        "COMPOSE_PROJECT_NAME": project_name(project),
        "TORCHSERVE_IMAGE": image,
        "MARDOCK_UID": uid,
        "MARDOCK_GID": gid,
        "MARDOCK_PACKAGE": Path(mardock.__file__).resolve().parent,
        **{f"MARDOCK_{service.upper()}_CONTAINER": name for service, name in (containers or {}).items()},
    }
    values = {**settings, **computed}
    return {**os.environ, **{name: _text(value) for name, value in values.items() if value is not None}}


def run(project: Project, environ: Mapping[str, str], *arguments: str, listener: Listener) -> None:
    """Run one docker compose command in the project's folder.

    Args:
        listener: notes each line it prints.

    Raises:
        EngineError: it failed; `details` holds its last lines.
    """
    argv = [*_command(project, "--progress", "plain"), *arguments]
    try:
        for line in process.stream(argv, cwd=project.root, env=environ):
            listener.note(line.strip())
    except EngineNotFoundError:
        raise
    except EngineError as error:
        failed, cause = f"docker compose {arguments[0]} failed", start_failures.find(error.details or "")
        message = f"{failed}: {cause.message}" if cause else failed
        raise EngineError(message, details=error.details, hint=cause.hint if cause else None) from error


def services(project: Project, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what compose makes of each service, with the project's override files taken into account.

    Raises:
        EngineError: docker-compose.yml is missing or cannot be read.
    """
    done = _config(project, environ, "--format", "json")
    found: dict[str, Any] = json.loads(done.stdout).get("services", {}) if done.returncode == 0 else {}
    if not {"dev", "serve"} <= found.keys():
        raise EngineError(
            "docker compose finds no services dev and serve in this project",
            details=done.stderr.strip() or None,
            hint="docker compose config shows what it makes of docker-compose.yml",
        )
    return found


def serve_image(project: Project) -> str:
    """Return the image TorchServe is set to run from: the settings', unless compose files that .env names say another.

    Raises:
        EngineError: those files cannot be read.
    """
    image = project.settings.machine.torchserve_image
    if not compose_files.of(project).named:
        return image
    return str(services(project, environment(project, image))["serve"]["image"])


def cores(service: Mapping[str, Any], machine: int) -> int:
    """Return how many of the machine's cores a service may use: its `cpus` or resource limit, and its `cpuset`."""
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    quota = float(service.get("cpus") or limits.get("cpus") or machine)
    ranges = [part.split("-") for part in service.get("cpuset", "").split(",") if part]
    pinned = sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges) or machine
    return max(1, min(int(quota), pinned, machine))


def fingerprint(project: Project, environ: Mapping[str, str], service: str) -> str:
    """Return the hash of a service's configuration that compose labels its container with."""
    return _config(project, environ, "--hash", service).stdout.split()[-1]


def _config(project: Project, environ: Mapping[str, str], *arguments: str) -> process.Completed:
    return process.run([*_command(project), "config", *arguments], cwd=project.root, env=environ, timeout=60)


def _command(project: Project, *options: str) -> list[str]:
    files = packaged.arguments(project, compose_files.of(project))
    return ["docker", "compose", *options, "--project-directory", str(project.root), *files]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
