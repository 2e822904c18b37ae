"""The versions a tuner registers beside the one that serves: `1.0-t01`, `1.0-t02`, … and how they are taken away."""

from __future__ import annotations

import glob
import re
from contextlib import suppress
from pathlib import Path

from mardock.archive import directory
from mardock.client.management import ManagementClient
from mardock.errors import EngineNotRunningError, ModelNotFoundError


def name(base: str, number: int) -> str:
    """Return the version of the model's n-th candidate."""
    return f"{base}-t{number:02}"


def folder(store: Path, model: str, version: str) -> Path:
    """Return where a version is laid out; TorchServe skips hidden entries when it loads all of a store."""
    return store / f".{model}-{version}"


def remove(client: ManagementClient, store: Path, model: str, version: str) -> None:
    """Unregister a version and delete its folder; with the server gone, its folder alone."""
    with suppress(ModelNotFoundError, EngineNotRunningError):
        client.unregister(model, version)
    directory.remove(folder(store, model, version))


def sweep(client: ManagementClient, store: Path, model: str, base: str) -> None:
    """Remove what a tuner that was killed has left, but for a version that somebody made the default."""
    ours = re.compile(rf"{re.escape(base)}-t\d{{2,}}")
    default = client.describe_default(model).version
    registered = {status.version for status in client.describe(model)}
    prefix = folder(store, model, "").name
    laid_out = {path.name[len(prefix) :] for path in store.glob(f"{glob.escape(prefix)}*")}
    for version in registered | laid_out:
        if ours.fullmatch(version) and version != default:
            remove(client, store, model, version)
