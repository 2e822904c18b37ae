"""A model served as a command left it, by the server that comes after: workers, default version, what stands beside."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from pathlib import Path
from typing import Optional, Union

from mardock.archive.read import read
from mardock.errors import ArchiveError, ConfigError, MardockError
from mardock.listener import Listener
from mardock.serving import remembered
from mardock.serving.registration import Registered
from mardock.serving.remembered import Remembered
from mardock.serving.servable import Servable
from mardock.serving.served_model import ServedModel
from mardock.serving.server import Server
from mardock.settings.as_served import as_served
from mardock.settings.project import Project


def keep(project: Project, server: Server, model: str) -> None:
    """Remember how a model is served now.

    Args:
        model: what it is served as.
    """
    with ServedModel(server, model) as served:
        remembered.remember(served, _configured(project, model))


def brought_back(
    project: Project, server: Server, servable: Servable, before: Optional[Remembered], listener: Listener
) -> Servable:
    """Serve what stood beside a model, and return its servable with the workers it had.

    An archive of a version that was not served then is another state of the model, and takes its place alone.
    """
    if before is None or not isinstance(servable.archive, Path):
        return servable
    own = read(servable.archive, verify=False)
    if own.version not in before.versions:
        return servable
    with ServedModel(server, own.name) as model:
        for version, error in remembered.bring_back(model, before, own=own.version).items():
            listener.warn(f"{own.name} {version} did not come back: {error.message}")
    workers = before.workers(own.version, _configured(project, own.name))
    return servable if workers is None else dataclasses.replace(servable, workers=workers)


def settled(
    project: Project,
    server: Server,
    servable: Servable,
    before: Optional[Remembered],
    done: Union[Registered, MardockError],
    listener: Listener,
) -> Union[Registered, MardockError]:
    """Let the version answer by default that did, once the model is registered, and remember all of it."""
    if isinstance(done, MardockError):
        return done
    if before is not None:
        with ServedModel(server, done.model) as model:
            try:
                remembered.settle(model, before, own=done.version, workers=servable.workers)
                done = dataclasses.replace(done, default_version=model.default_version() or done.version)
            except MardockError as error:
                listener.warn(f"{done.model} is not served as before: {error.message}")
    keep(project, server, done.model)
    return done


def _configured(project: Project, model: str) -> Optional[int]:
    """Return how many workers the project's files give a model; None when they do not know it, or are unfit."""
    with suppress(ConfigError, ArchiveError):
        found = project.settings.served_as(model)
        return next((as_served(settings, project.root).initial_workers for settings in found), None)
    return None
