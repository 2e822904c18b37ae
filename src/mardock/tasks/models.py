"""List, describe, scale or unregister what the project's server serves."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Optional

from mardock import serving
from mardock.client.management import ManagementClient
from mardock.client.model_status import ModelStatus
from mardock.defaults import DRAIN_S
from mardock.engines import select
from mardock.engines.threads import ThreadNote
from mardock.errors import ConfigError, EngineError, ModelNotFoundError
from mardock.listener import SILENT, Listener
from mardock.settings.project import Project
from mardock.tasks import as_before
from mardock.tasks.thread_note import thread_note


@dataclass(frozen=True)
class Listed:
    """A model that is registered.

    Attributes:
        url: what its default version was registered from.
        default_version: what answers predictions that name no version; None when TorchServe cannot tell.
    """

    name: str
    url: str
    default_version: Optional[str]


def registered(project: Project) -> list[Listed]:
    """Return every registered model, sorted by name.

    Raises:
        EngineNotRunningError: the server is down.
    """
    with ManagementClient(select.needed(project).endpoint()) as client:
        return [Listed(each.name, each.url, _default_version(client, each.name)) for each in client.list_models()]


def _default_version(client: ManagementClient, model: str) -> Optional[str]:
    with suppress(ModelNotFoundError, ConfigError):  # unregistered since, or a name that cannot be addressed
        return client.describe_default(model).version
    return None


def describe(project: Project, model: str, version: Optional[str] = None) -> list[ModelStatus]:
    """Return all versions of a model, or one of them, and which is the default one.

    Raises:
        EngineNotRunningError: the server is down.
        ModelNotFoundError: there is no such model or version.
    """
    with ManagementClient(select.needed(project).endpoint()) as client:
        if version is None:
            return client.describe_all(model)
        default = client.describe_default(model).version
        return [replace(each, default=each.version == default) for each in client.describe(model, version)]


@dataclass(frozen=True)
class Scaled:
    """A version that has as many workers as were asked for.

    Attributes:
        threads: what is wrong with its workers' threads; None when nothing is.
    """

    status: ModelStatus
    threads: Optional[ThreadNote] = None


def scale(
    project: Project,
    model: str,
    workers: int,
    *,
    most: Optional[int] = None,
    version: Optional[str] = None,
    listener: Listener = SILENT,
) -> Scaled:
    """Set how many workers a model keeps, and return when they are READY.

    Args:
        model: what it is served as.
        most: how many it may have; the same when None.
        version: the default one when None.

    Raises:
        EngineNotRunningError: the server is down.
        ModelNotFoundError: there is no such model or version.
        WorkerFailedError: a worker did not start.
    """
    engine = select.needed(project)
    with ManagementClient(engine.endpoint()) as client, listener.waiting(f"scaling {model} to {workers}"):
        before = client.describe(model, version)[0] if version else client.describe_default(model)
        with suppress(EngineError):  # they start all the same
            engine.share_cores(model, workers)
        status = client.scale(model, workers, workers if most is None else most, version)
    as_before.keep(project, serving.Server.of(project, engine), model)
    note = thread_note(project, engine, model, status.url, workers=status.ready_workers, kept=before.min_workers)
    return Scaled(status, note)


def set_default(project: Project, model: str, version: str) -> None:
    """Let a version answer the predictions that name none.

    Raises:
        EngineNotRunningError: the server is down.
        ModelNotFoundError: there is no such model or version.
    """
    server = serving.Server.at(project)
    with ManagementClient(server.endpoint) as client:
        client.set_default(model, version)
    as_before.keep(project, server, model)


def unregister(
    project: Project,
    model: str,
    version: Optional[str] = None,
    *,
    patience: float = DRAIN_S,
    listener: Listener = SILENT,
) -> bool:
    """Stop serving a model, or one version of it, and say whether all of its requests were answered.

    Args:
        model: what it is served as.
        patience: seconds to wait for them.

    Raises:
        EngineNotRunningError: the server is down.
        ModelNotFoundError: there is no such model or version.
        ApiError: the version is the default one while others exist.
    """
    server = serving.Server.at(project)
    with listener.waiting(f"unregistering {model}"):
        answered = serving.unregister(server, model, version, sample=_sample(project, model), patience=patience)
    as_before.keep(project, server, model)
    return answered


def _sample(project: Project, model: str) -> Optional[bytes]:
    """Return a request it can answer; None for a stranger's, without a sample, or with broken settings."""
    with suppress(ConfigError):
        samples = filter(None, map(project.first_sample, project.settings.served_as(model)))
        return next((sample.read_bytes() for sample in samples), None)
    return None
