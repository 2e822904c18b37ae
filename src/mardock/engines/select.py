"""Which engine: the one whose server runs, or the one to start it with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Optional

from mardock import place
from mardock.errors import ConfigError, EngineError, EngineNotFoundError, EngineNotRunningError

if TYPE_CHECKING:
    from mardock.engines.base import Engine
    from mardock.engines.serve_container import ServeContainer
    from mardock.listener import Listener
    from mardock.settings.project import Project


def running(project: Project) -> Optional[Engine]:
    """Return the engine whose server runs for the project, if any does.

    Needs no settings unless a Docker Engine answers. What a dead native server left is swept away first.
    """
    if place.inside():
        beside = _beside(project)
        return beside if beside.answers() else None
    return next((engine for engine in _present(project, serving=True) if engine.status().running), None)


def running_or_new(project: Project, listener: Listener) -> Engine:
    """Return the engine whose server runs for the project, else the one the settings ask for; see `create`.

    Raises:
        EngineError: another engine than the one that was asked for by name runs it.
    """
    found = running(project)
    if found is None:
        return create(project, listener)
    asked = project.overrides.get("engine")
    if asked not in (None, "auto", found.name):
        raise EngineError(f"the {found.name} engine runs this project's server, not {asked}", hint="mardock down")
    return found


def needed(project: Project) -> Engine:
    """Return the engine whose server runs for the project; see `running`.

    Raises:
        EngineNotRunningError: none does.
    """
    found = running(project)
    if found is None:
        raise not_running(project)
    return found


def where_torch_is(project: Project, listener: Listener) -> Engine:
    """Return the engine to run what needs torch with; in the dev container that is settled: it is this very place."""
    if project.settings.machine.engine == "auto" and not place.inside():
        return running_or_new(project, listener)
    return create(project, listener)


def not_running(project: Project) -> EngineNotRunningError:
    """Return the error that says that no server runs for the project, and how one in a container came to its end."""
    for engine in _present(project, serving=False):
        with suppress(EngineError):  # it cannot be asked
            if cause := engine.ended():
                return cause
    return EngineNotRunningError("TorchServe is not running for this project", hint="mardock up")


def at(project: Project, management_url: str) -> Optional[Engine]:
    """Return the engine whose server has this Management API; None when it is a stranger's, or nobody's."""
    from urllib.parse import urlsplit

    found = running(project)
    if found is None:
        return None
    ours, given = urlsplit(found.endpoint().management_url), urlsplit(management_url)
    # In the dev container nothing else than the container serve is to be had at its name.
    here = given.hostname in ("localhost", "127.0.0.1", "::1", ours.hostname)
    return found if here and ours.port == given.port else None


def management_url(project: Project, url: Optional[str] = None, port: Optional[int] = None) -> str:
    """Return where the Management API of the project's server listens, or would; or that of another one.

    Args:
        url: where the other one is, e.g. `http://localhost`; this machine when left out.
        port: of its Management API; the one of the project's when left out.

    Raises:
        ConfigError: that is no URL.
    """
    from urllib.parse import urlsplit

    ours = urlsplit(_own_management_url(project))
    parts = urlsplit(url or f"{ours.scheme}://{ours.hostname}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url!r} is no URL", hint="e.g. --tserve-url http://localhost")
    try:
        port = port or parts.port or ours.port
    except ValueError as error:
        raise ConfigError(f"{url!r}: {error}", hint="e.g. --tserve-url http://localhost --models-port 8081") from error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _own_management_url(project: Project) -> str:
    if place.inside():
        from mardock.engines.serve_container import ENDPOINT

        return ENDPOINT.management_url
    return f"http://127.0.0.1:{project.settings.machine.management_port}"


def started(project: Project) -> list[Engine]:
    """Return every engine that has something of the project to stop: its server, or a container that is there."""
    return list(_present(project, serving=False))


def create(project: Project, listener: Listener) -> Engine:
    """Return the engine the settings ask for; `auto` takes Docker where it can run the image, and the native one else.

    A project without containers of its own is served natively where that can be.

    Args:
        listener: told in one line what `auto` chose, and why.

    Raises:
        ConfigError: something is wrong in the settings.
    """
    if place.inside():
        return _beside(project)
    from mardock.engines.native import NativeEngine

    machine = project.settings.machine
    if machine.engine == "native":
        return NativeEngine(project)
    from mardock.engines.docker import compose_files
    from mardock.engines.docker.compose import serve_image
    from mardock.engines.docker.daemon import engine_answers
    from mardock.engines.docker.engine import DockerEngine
    from mardock.engines.docker.images import image_available

    if machine.engine == "docker":
        return DockerEngine(project, listener=listener)
    files = compose_files.of(project)
    if files.packaged and not files.named and _has_torchserve(project):
        theirs = files.passed_over
        why = f"{theirs.name} is none of mardock's" if theirs else "there is no docker-compose.yml"
        listener.note(f"engine: native, for {why}")
        return NativeEngine(project)
    if not engine_answers():
        listener.note("engine: native, for no Docker Engine answers")
        return NativeEngine(project)
    image = serve_image(project)
    if not image_available(image):
        listener.note(f"engine: native, for the image {image} is neither here nor to be had")
        return NativeEngine(project)
    listener.note("engine: docker")
    return DockerEngine(project, listener=listener)


def _has_torchserve(project: Project) -> bool:
    from mardock.engines.native.installation import find_torchserve
    from mardock.engines.native.python import python_of

    with suppress(EngineNotFoundError):
        find_torchserve(python_of(project))
        return True
    return False


def _present(project: Project, *, serving: bool) -> Iterator[Engine]:
    """Yield the engines that have something of a project: the native one when its server runs, Docker when it may.

    Args:
        serving: whether a container that is stopped is nothing.
    """
    if place.inside():
        yield _beside(project)
        return
    from mardock.engines.native import NativeEngine

    native = NativeEngine(project)
    native.sweep()
    if native.status().running:
        yield native
    from mardock.engines.docker.containers import may_exist, may_serve

    if (may_serve if serving else may_exist)(project.root):
        from mardock.engines.docker.engine import DockerEngine

        yield DockerEngine(project)


def _beside(project: Project) -> ServeContainer:
    """Return the only engine there is in the dev container: the host's own servers are none of its business."""
    from mardock.engines.serve_container import ServeContainer

    return ServeContainer(project)
