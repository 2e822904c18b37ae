"""DockerEngine: TorchServe in the serve container, and what needs torch in the dev container."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.defaults import START_TIMEOUT_S
from mardock.endpoint import Endpoint
from mardock.engines import mounts
from mardock.engines.base import EngineStatus, alone
from mardock.engines.docker import compose, compose_files, containers, daemon, folders, gpus, images, outside, packaged
from mardock.engines.docker.daemon import sdk
from mardock.engines.docker.forward import forward
from mardock.engines.docker.launch import Launch, Service, Started, ended, not_running, running, unknown
from mardock.engines.docker.tunnel import Tunnel
from mardock.engines.scratch import Scratch
from mardock.engines.threads import shares_cores
from mardock.errors import ConfigError, EngineNotRunningError
from mardock.listener import SILENT, Listener
from mardock.settings.project import Project

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LOCK_SECONDS = 30


class DockerEngine:
    """TorchServe in containers: compose for lifecycle, the SDK for everything about a container that is there.

    What needs no settings works while they are broken: status, endpoint, logs, stop, rm and down.

    Args:
        listener: notes each line of progress.
    """

    name = "docker"
    torch_is_here = False

    def __init__(self, project: Project, *, listener: Listener = SILENT) -> None:
        self.project = project
        self._listener = listener
        self._mounted: Optional[mounts.Mounts] = None

    def up(self, *, timeout: float) -> Endpoint:
        """Start the serve container, or find it running with these settings; see `Engine.up`."""
        with self._launch() as launch:
            launch.serve(None, time.monotonic() + timeout, keep=False)
        return self.endpoint()

    def down(self) -> None:
        """Remove the project's containers, their network and what they unpacked; see `Engine.down`."""
        with sdk() as client, self._lock():
            found = containers.with_what_they_need(client, self.project.root)
            for container in found:
                containers.remove(container)
            projects = {container.labels[containers.PROJECT_LABEL] for container in found}
            with suppress(ConfigError):
                projects.add(compose.project_name(self.project))
            for project in projects:
                containers.remove_unused(client, project)

    def status(self) -> EngineStatus:
        """Say what the engine knows of the serve container; see `Engine.status`."""
        with sdk() as client:
            container = containers.pick(client, self.project.root, "serve", None)
            if container is None:
                return EngineStatus(self.name, running=False)
            alive = container.status == "running"
            where = self._endpoint(container) if alive else None
            threads = containers.threads(container, client.info()["NCPU"]) if alive else None
            details = containers.describe(container) | ({"threads per worker": str(threads)} if threads else {})
            return EngineStatus(self.name, alive, where, details, threads)

    def ended(self) -> Optional[EngineNotRunningError]:
        """Return the error that says how the server ended by itself; see `Engine.ended`."""
        with sdk() as client:
            container = containers.pick(client, self.project.root, "serve", None)
            return ended(container) if container else None

    def endpoint(self) -> Endpoint:
        """Return where the running server listens; see `Engine.endpoint`."""
        with sdk() as client:
            return self._endpoint(running(client, self.project, "serve", None))

    def logs(self, *, follow: bool, tail: int) -> Iterator[str]:
        """Yield what the serve container printed; see `Engine.logs`."""
        with sdk() as client:
            container = containers.pick(client, self.project.root, "serve", None)
            if container is None:
                raise EngineNotRunningError("there is no TorchServe container", hint="mardock up")
            yield from containers.lines(container, follow=follow, tail=tail)

    def sees(self, path: Path) -> Optional[Path]:
        """Return where the serve container has it, which it is asked once; see `Engine.sees`."""
        if self._mounted is None:
            with sdk() as client:
                container = containers.pick(client, self.project.root, "serve", None)
                if container is None:
                    return None
                self._mounted = containers.mounted(container)
        return mounts.seen(path, self._mounted)

    def dial(self, port: int) -> Tunnel:
        """Open a tunnel to a port of the serve container's loopback; see `Engine.dial`."""
        return Tunnel(self.project, port)

    def share_cores(self, model: str, workers: int) -> None:
        """Have the coming workers of a model share the cores; see `Engine.share_cores`."""
        with sdk() as client:
            container = running(client, self.project, "serve", None)
            threads = containers.threads(container, client.info()["NCPU"])
            if threads and shares_cores(self.project.settings, threads):
                containers.share_cores(container, {model: threads.shared(workers)})

    def scratch(self) -> Scratch:
        """Say how much room the serve container's /tmp has; see `Engine.scratch`."""
        with sdk() as client:
            return containers.scratch(running(client, self.project, "serve", None))

    def exec(
        self,
        argv: Sequence[str],
        *,
        interactive: bool,
        writes: Sequence[Path] = (),
        container_name: Optional[str] = None,
    ) -> int:
        """Run a command in the dev container, which is started when it does not run; see `Engine.exec`.

        Args:
            container_name: which, where there are several; only the settings' own is made when it is not there.

        Raises:
            EngineNotRunningError: there is none of that name.
        """
        with sdk() as client:
            if container_name is not None and container_name != compose.dev_container(self.project):
                found = self._existing(client, "dev", container_name)
            else:
                found = containers.pick(client, self.project.root, "dev", container_name)
            if found is None or found.status != "running":
                self.run("dev", container_name)
                found = running(client, self.project, "dev", container_name)
            with suppress(ConfigError):  # they may be what is to be mended in there
                outside.refuse_unseen(str(found.name), found.labels, self._from_outside())
            folders.make_writable(self.project, containers.user(found, self.project.root), writes)
            name = str(found.name)
        return forward(name, argv, interactive=interactive)

    def exec_sees(self, paths: Sequence[Path]) -> bool:
        """Say whether they are among what is mounted into the dev container; see `Engine.exec_sees`."""
        given = self._from_outside().values() if paths else ()
        return all(any(one in (path, *path.parents) for one in given) for path in paths)

    def run(self, service: Service, container_name: Optional[str] = None) -> Started:
        """Create and start a container; one that is there already is started as it is.

        Args:
            container_name: its name, where it is not the settings'. A second dev container may stand beside the first.

        Raises:
            EngineError: the name belongs to another project, a port is taken, a folder cannot be written.
            EngineStartError: TorchServe did not become ready; nothing is left of its container.
        """
        with self._launch() as launch:
            if service == "serve":
                return launch.serve(container_name, time.monotonic() + START_TIMEOUT_S, keep=True)
            return launch.dev(container_name)

    def start(self, service: Service, container_name: Optional[str] = None) -> Started:
        """Start a container that was created before.

        Raises:
            EngineNotRunningError: there is none.
        """
        with sdk() as client:
            if self._existing(client, service, container_name) is None:
                raise not_running(service, container_name)
        return self.run(service, container_name)

    def stop(self, service: Service, container_name: Optional[str] = None) -> Optional[str]:
        """Stop a container and return its name; `None` when none runs.

        Raises:
            EngineNotRunningError: there is none of that name.
        """
        with sdk() as client, self._lock():
            container = self._existing(client, service, container_name)
            if container is None or container.status != "running":
                return None
            container.stop(timeout=containers.STOP_SECONDS)
            return container.name

    def rm(self, service: Service, container_name: Optional[str] = None) -> Optional[str]:
        """Stop and remove a container and return its name; `None` when there is none.

        Raises:
            EngineNotRunningError: there is none of that name.
        """
        with sdk() as client, self._lock():
            container = self._existing(client, service, container_name)
            if container is None:
                return None
            containers.remove(container)
            containers.remove_unused(client, container.labels[containers.PROJECT_LABEL])
            return container.name

    def build(self, service: Service) -> str:
        """Build the dev image, or with `serve` the project's own TorchServe image; return its tag.

        Raises:
            EngineError: the build failed; `details` holds its last lines.
        """
        if service == "dev":
            with self._launch() as launch:
                return launch.build_dev()
        daemon.check()
        tag, gpu = self._own_image()
        with packaged.build_context(self.project, compose_files.of(self.project), "serve") as context:
            images.build_own(context, tag, self.project.settings.machine, os.environ, self._listener, gpu=gpu)
        return tag

    def image_variable(self) -> str:
        """Return the variable of .env that names the image TorchServe runs from."""
        return gpus.IMAGE_VARIABLE if self._own_image()[1] else "TORCHSERVE_IMAGE"

    def _from_outside(self) -> Mapping[Path, Path]:
        """Return what the dev container is given from outside of the project, by where it has that."""
        return outside.named(self.project, packaged=compose_files.of(self.project).packaged)

    def _own_image(self) -> tuple[str, bool]:
        """Return what the project's own image is called, and whether it is one for GPUs."""
        image = self.project.settings.machine.torchserve_image
        services = compose.services(self.project, compose.environment(self.project, image))
        gpu = gpus.asked_for(services)
        if gpu:
            image = services["serve"]["image"]
        return images.own_tag(image), gpu

    def _endpoint(self, container: Container) -> Endpoint:
        """Raises EngineError when its key file cannot be read."""
        found = containers.endpoint(container)
        if not containers.key_file(container):
            return found
        from mardock.engines.key_file import KeyFile

        return replace(found, credentials=KeyFile(found, self._keys))

    def _keys(self) -> str:
        with sdk() as client:
            return containers.key_file(running(client, self.project, "serve", None))

    def _existing(self, client: DockerClient, service: Service, name: Optional[str]) -> Optional[Container]:
        """Return a service's container, `None` without one; a name that was given has to be that of one."""
        container = containers.pick(client, self.project.root, service, name)
        if container is None and name is not None:
            raise unknown(service, name, containers.of_project(client, self.project.root, service))
        return container

    @contextmanager
    def _launch(self) -> Iterator[Launch]:
        daemon.check()
        with sdk() as client, self._lock():
            yield Launch(self.project, client, self._listener)

    def _lock(self) -> AbstractContextManager[None]:
        self._mounted = None  # who takes the lock may put another container in the place of this one
        return alone(self.project, timeout=LOCK_SECONDS)
