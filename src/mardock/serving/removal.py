"""Taking versions away: new requests are refused at once while those under way are waited for."""

from __future__ import annotations

import math
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Callable, Optional

from mardock import side_names
from mardock.archive import directory
from mardock.client.model_status import ModelStatus
from mardock.defaults import DRAIN_S
from mardock.errors import ModelNotFoundError
from mardock.serving import pinned
from mardock.serving.draining import Drain
from mardock.serving.served_model import ServedModel
from mardock.serving.server import Server
from mardock.serving.side_version import SideVersion
from mardock.side_names import Kind, SideName


def unregister(
    server: Server,
    name: str,
    version: Optional[str] = None,
    *,
    sample: Optional[bytes] = None,
    patience: float = DRAIN_S,
) -> bool:
    """Stop serving a version of a model, or all of them, and say whether all of their requests were answered.

    What is pinned in the server's model store and served no more is deleted, where that is at hand.

    Args:
        sample, patience: see `Drain`.

    Raises:
        ModelNotFoundError: there is none.
        ApiError: the version is the default one while others exist.
    """
    drain = Drain(server.endpoint, patience, sample)
    with ServedModel(server, name) as model, ExitStack() as refusing:
        default = model.management.describe_default(name).version
        stand_in = SideVersion(model, SideName(default, Kind.NEXT)) if server.store is not None else None
        if stand_in is not None:
            stand_in.see_off(drain)  # of a command that was killed
        statuses = model.management.describe(name, version)
        statuses.sort(key=lambda status: status.version == default)  # the default one goes last
        if stand_in is not None and len(statuses) == len(model.versions()):
            refusing.callback(stand_in.see_off, drain)
            stand_in.refuse()
        cut_off = [status for status in statuses if not drain.run(status)]
        for status in statuses:
            model.management.unregister(name, status.version)
        refusing.close()
        if server.store is not None:
            for status in statuses:
                _delete(model, server.store, status)
    return not cut_off


def retire(model: ServedModel, version: str, sample: Optional[bytes], hurry: Callable[[], bool]) -> None:
    """Unregister a version that is not the default any more once its requests are answered, however long that takes.

    Args:
        sample: see `Drain`.
        hurry: says when there is no more time to wait.
    """
    with suppress(ModelNotFoundError):
        Drain(model.server.endpoint, math.inf, sample, hurry).run(model.status(version))
        unregister(model.server, model.name, version, patience=0)


def _delete(model: ServedModel, store: Path, status: ModelStatus) -> None:
    archive = pinned.archive_of(status.url)
    if archive:
        pinned.sweep(model.management, store / archive)
    elif side_names.parse(status.version) and status.url == side_names.folder(model.name, status.version):
        directory.remove(store / status.url)
