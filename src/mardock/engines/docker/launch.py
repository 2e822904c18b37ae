"""Bringing a project's containers to life: what is checked first, the images they need, and compose's part."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Optional

from mardock.engines import config_properties
from mardock.engines.docker import (
    capabilities,
    compose,
    compose_files,
    containers,
    folders,
    gpus,
    images,
    packaged,
    user,
)
from mardock.engines.docker.daemon import is_rootless
from mardock.engines.threads import MODELS_VARIABLE, shared_out
from mardock.errors import EngineError, EngineNotRunningError, EngineStartError
from mardock.listener import Listener, Silent
from mardock.settings.project import Project

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

Service = Literal["dev", "serve"]
_WORDS = {"dev": "dev container", "serve": "TorchServe container"}
LAST_LINES = 40
STOPPED = (0, 143)  # by SIGTERM, as `docker stop` does
POLL_SECONDS = 0.1
_LACKS = re.compile(r"(?:^|\d )mardock: (the dev container goes without .*)")  # Dockerfile.dev's own words
PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class Started:
    """A container that runs now.

    Attributes:
        name: its name.
        before: what it was before: `None` when there was none, else `running`, `exited`, `created`, ...
    """

    name: str
    before: Optional[str]


class Launch:
    """One command's work on one project's containers; the caller holds the project's lock.

    Args:
        listener: notes each line of progress.
    """

    def __init__(self, project: Project, client: DockerClient, listener: Listener) -> None:
        self._project = project
        self._client = client
        self._listener = listener
        self._files = compose_files.of(project)

    def serve(self, container_name: Optional[str], deadline: float, *, keep: bool) -> Started:
        """Have the serve container running and TorchServe in it answering.

        Args:
            deadline: on the monotonic clock, in seconds.
            keep: take a running container as it is, whatever the settings say now.

        Raises:
            EngineError: names or ports are somebody else's, a folder cannot be written, the image cannot be had, or
                the container runs with other settings.
            EngineStartError: it did not answer; nothing is left of it, unless it ran before.
        """
        environ, services, found = self._prepare("serve", container_name)
        before = found.status if found else None
        image = services["serve"]["image"]
        if found is not None and before == "running":
            if images.is_local(self._client, image):  # else it runs from another
                environ.update(self._capabilities(image).variables())
            if not keep and found.labels.get(containers.HASH_LABEL) != compose.fingerprint(
                self._project, environ, "serve"
            ):
                ours = containers.threads(found, 1) is not None
                what = "runs with other settings" if ours else "was started by docker compose, with other settings"
                raise EngineError(f"the container {found.name} {what}", hint="mardock down && mardock up")
        else:
            self._check_configuration(services["serve"])
            ports = {port["target"]: int(port["published"]) for port in services["serve"]["ports"]}
            containers.refuse_taken_ports(self._client, ports)
            environ.update(self._fetch(services, "serve"))
        try:
            if before != "running":
                compose.run(self._project, environ, "up", "--detach", "serve", listener=self._listener)
            return Started(self._await(deadline), before)
        except BaseException:
            if before != "running":
                self._forget()
            raise

    def dev(self, container_name: Optional[str]) -> Started:
        """Have the dev container running, as it was created if it is there.

        Raises:
            EngineError: names are somebody else's, a folder cannot be written, an image cannot be had or built.
        """
        environ, services, found = self._prepare("dev", container_name)
        if found is not None:
            before = found.status
            found.start()
            user.name_in(found)
            return Started(found.name or "", before)
        environ.update(self._fetch(services, "dev"))
        if not images.is_built_on(self._client, services["dev"]["image"], services["serve"]["image"]):
            self._build_dev(environ)
        if container_name and containers.of_project(self._client, self._project.root, "dev"):
            arguments = ["run", "--detach", "--name", container_name, "dev"]  # compose knows one of each service
        else:
            arguments = ["up", "--detach", "--no-recreate", "dev"]
        try:
            compose.run(self._project, environ, *arguments, listener=self._listener)
        except EngineError:
            self._forget_unstarted("dev")
            raise
        started = running(self._client, self._project, "dev", container_name)
        user.name_in(started)
        return Started(started.name or "", None)

    def build_dev(self) -> str:
        """Build the dev image on the image TorchServe runs from, and return its tag."""
        environ = self._environment({})
        services = compose.services(self._project, environ)
        environ.update(self._fetch(services, "dev"))
        self._build_dev(environ)
        return str(services["dev"]["image"])

    def _build_dev(self, environ: dict[str, str]) -> None:
        build = _DevBuild(self._listener)
        with packaged.build_context(self._project, self._files, "dev") as context:
            environ = {**environ, "MARDOCK_BUILD_CONTEXT": str(context)}
            compose.run(self._project, environ, "build", "dev", listener=build)
        for line in build.lacks:  # again, for in the midst of a build nobody reads it
            self._listener.note(line)

    def _prepare(
        self, service: Service, container_name: Optional[str]
    ) -> tuple[dict[str, str], dict[str, Any], Optional[Container]]:
        """Check what holds for both services; return compose's environment, its services and the container there is."""
        machine = self._project.settings.machine
        name = container_name or (machine.dev_container if service == "dev" else machine.serve_container)
        root = self._project.root
        called, variable = compose.project_name(self._project), compose.project_variable(self._project)
        containers.refuse_strangers(self._client, root, called, service, name, variable=variable)
        found = containers.pick(self._client, root, service, container_name if service == "dev" else None)
        if service == "serve" and found is not None and container_name not in (None, found.name):
            raise EngineError(
                f"this project's TorchServe container is {found.name}", hint="mardock serve rm removes it first"
            )
        self._tell_whose_files(found)
        folders.prepare(self._project, packaged=self._files.packaged)
        kept = name or (found.name if found else None)  # a container that was given a name keeps it
        environ = self._environment({service: kept} if kept else {})
        services = compose.services(self._project, environ)
        environ.update(self._threads(services["serve"], found if service == "serve" else None))
        return environ, services, found

    def _tell_whose_files(self, found: Optional[Container]) -> None:
        if found is None and self._files.passed_over is not None:
            theirs = self._files.passed_over.name
            self._listener.note(f"{theirs} is none of mardock's and is left alone; these containers are not in it")

    def _threads(self, serve: dict[str, Any], running: Optional[Container]) -> dict[str, str]:
        """Return compose's variables for the threads of workers; a container keeps those it computed for itself."""
        machine = self._client.info()["NCPU"]
        before = containers.threads(running, machine) if running and running.status == "running" else None
        threads = shared_out(self._project.settings, compose.cores(serve, machine))
        if before and self._project.settings.machine.threads_per_worker is None:
            threads = before
        return {"MARDOCK_THREADS_PER_WORKER": str(threads.per_worker), MODELS_VARIABLE: threads.models_json}

    def _environment(self, names: dict[str, str]) -> dict[str, str]:
        image = images.chosen(self._client, self._project.settings.machine.torchserve_image)
        return compose.environment(self._project, image, names, rootless=is_rootless(self._client))

    def _check_configuration(self, service: dict[str, Any]) -> None:
        properties = config_properties.of_project(self._project.root)
        for warning in config_properties.check(properties, service.get("environment", {})):
            self._listener.note(warning)

    def _fetch(self, services: dict[str, Any], service: Service) -> dict[str, str]:
        """Have the image TorchServe runs from here and fit; return compose's variables for what it needs."""
        image, variable = services["serve"]["image"], gpus.image_variable(services)
        if not images.is_local(self._client, image):
            images.pull(self._client, image, self._listener, variable=variable)
        found = self._capabilities(image)
        machine = self._project.settings.machine
        dev = service == "dev"
        capabilities.refuse_unfit(image, found, dev=dev, token_auth=machine.token_auth, variable=variable)
        for line in found.adaptations() if not dev else ():
            self._listener.note(line)
        return found.variables()

    def _capabilities(self, image: str) -> capabilities.Capabilities:
        return capabilities.of(self._project, image, str(self._client.images.get(image).id))

    def _await(self, deadline: float) -> str:
        """Wait until TorchServe answers, and return its container's name."""
        from mardock.client import probe

        while True:
            found = containers.pick(self._client, self._project.root, "serve")
            alive = found is not None and found.status == "running"
            if found and alive and probe.answers(containers.endpoint(found), PROBE_SECONDS):
                return found.name or ""
            if not alive or time.monotonic() >= deadline:
                break
            time.sleep(POLL_SECONDS)
        lines = "\n".join(containers.lines(found, follow=False, tail=LAST_LINES)) if found else ""
        what = "did not answer in time" if alive else "ended while it started"
        raise EngineStartError(f"TorchServe {what}", details=lines or None, hint="mardock doctor")

    def _forget_unstarted(self, service: Service) -> None:
        """Remove a container that was created and could not be started: it would keep the settings it failed with."""
        for container in containers.of_project(self._client, self._project.root, service):
            if container.status == "created":
                containers.remove(container)
        containers.remove_unused(self._client, compose.project_name(self._project))

    def _forget(self) -> None:
        for container in containers.of_project(self._client, self._project.root, "serve"):
            containers.remove(container)
        containers.remove_unused(self._client, compose.project_name(self._project))


class _DevBuild(Silent):
    """Passes on what a build of the dev image prints, and keeps what the dev container goes without."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.lacks: list[str] = []

    def note(self, text: str) -> None:
        self._listener.note(text)
        self.lacks.extend(_LACKS.findall(text))


def running(client: DockerClient, project: Project, service: Service, container_name: Optional[str]) -> Container:
    """Return a service's running container.

    Raises:
        EngineNotRunningError: there is none.
    """
    container = containers.pick(client, project.root, service, container_name)
    if container is None:
        raise not_running(service, container_name)
    if container.status != "running":
        raise (ended(container) if service == "serve" else None) or not_running(service, container_name)
    return container


def not_running(service: Service, container_name: Optional[str]) -> EngineNotRunningError:
    """Return the error that says how to get the container that is not there."""
    called = f" {container_name}" if container_name else ""
    return EngineNotRunningError(f"the {_WORDS[service]}{called} does not run", hint=f"mardock {service} run")


def ended(container: Container) -> Optional[EngineNotRunningError]:
    """Return the error that says how a server's container ended by itself; `None` when it was stopped or runs."""
    state = container.attrs["State"]
    if state["Status"] not in ("exited", "dead") or state["ExitCode"] in STOPPED:
        return None
    how = f"ended with {state['ExitCode']}" + (", for memory ran out," if state.get("OOMKilled") else "")
    when = containers.describe(container)["since"]
    hint = "mardock logs shows what it said last, mardock up starts it again"
    return EngineNotRunningError(f"the TorchServe container {container.name} {how} at {when}", hint=hint)


def unknown(service: Service, container_name: str, there: Sequence[Container]) -> EngineNotRunningError:
    """Return the error that names the containers there are where none has the name that was given."""
    found = ", ".join(f"{container.name} ({container.status})" for container in there)
    made = {
        "dev": f"mardock dev run --container-name {container_name} makes it",
        "serve": f"mardock serve run --container-name {container_name} makes it",
    }[service]
    other = f"name one that is there, or {made}" if service == "dev" else "leave the name out"  # there is one to serve
    return EngineNotRunningError(
        f"this project has no {_WORDS[service]} {container_name}; " + (f"there is {found}" if found else "it has none"),
        hint=other if found else made,
    )
