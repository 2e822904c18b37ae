"""What a server served of a model when a command last changed it: TorchServe forgets, the model store does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

from mardock import locks, ownership, side_names
from mardock.client.model_status import ModelStatus
from mardock.errors import MardockError
from mardock.serving.served_model import ServedModel

_FILE = ".served.json"
_LOCK = ".served.lock"
_WAIT_S = 10.0


@dataclass(frozen=True)
class Version:
    """A version as it was registered and scaled."""

    url: str
    workers: int
    most: int
    batch_size: int
    max_batch_delay: int
    response_timeout: Optional[int]
    startup_timeout: Optional[int]


@dataclass(frozen=True)
class Remembered:
    """A model as it was served.

    Attributes:
        configured: how many workers the project's files gave it then: once they give it another number, that holds.
        default: the version that answered predictions that name none.
        versions: none when it was unregistered.
    """

    configured: Optional[int] = None
    default: Optional[str] = None
    versions: Mapping[str, Version] = field(default_factory=dict)

    def workers(self, version: str, configured: Optional[int]) -> Optional[int]:
        """Return how many workers a version had, where the project's files still say the same; None if not known."""
        known = self.versions.get(version)
        return known.workers if known is not None and self.configured == configured else None


def remember(model: ServedModel, configured: Optional[int]) -> None:
    """Keep how a model is served now, for the server that comes after this one; a stranger's is its own affair.

    What cannot be written is not kept, which is no reason to fail: the model is served all the same.
    """
    store = model.server.store
    if store is None:
        return
    with suppress(MardockError, OSError):
        own = [status for status in model.versions() if not _is_beside(status)]
        default = model.default_version()
        kept = {status.version: asdict(_version(status)) for status in own}
        entry = {"configured": configured, "default": default if default in kept else None, "versions": kept}
        _write(store, model.name, entry)


def ask_back(store: Path, model: str) -> None:
    """Forget that a model was unregistered, for it was asked for again: whatever becomes of that, `up` serves it."""
    found = recall(store, model)
    if found is not None and not found.versions:
        with suppress(MardockError, OSError):
            _write(store, model, None)


def recall(store: Path, model: str) -> Optional[Remembered]:
    """Return how a model was served last; None when that is not known."""
    try:
        entry = _read(store)[model]
        versions = {name: Version(**kept) for name, kept in entry["versions"].items()}
        return Remembered(entry["configured"], entry["default"], versions)
    except (LookupError, TypeError, AttributeError):  # never written, or by hand
        return None


def bring_back(model: ServedModel, before: Remembered, *, own: str) -> dict[str, MardockError]:
    """Register the versions that stood beside a model's own again, and return why one could not be.

    Args:
        own: that version, which is not registered here.
    """
    store, failed = model.server.store, {}
    there = {status.version for status in model.versions()}
    for version, known in before.versions.items():
        if store is None or version in (own, *there) or not (store / known.url).exists():
            continue
        try:
            model.management.register(
                known.url,
                model_name=model.name,
                initial_workers=known.workers,
                batch_size=known.batch_size,
                max_batch_delay=max(known.max_batch_delay, 0),
                response_timeout=known.response_timeout,
                startup_timeout=known.startup_timeout,
                installs=True,
            )
            _scale(model, version, known)
        except MardockError as error:
            failed[version] = error
    return failed


def settle(model: ServedModel, before: Remembered, *, own: str, workers: Optional[int]) -> None:
    """Let the version that did answer by default, and the model's own scale up as far as it could.

    Args:
        own: the model's own version, which is registered.
        workers: how many it was given of what is remembered; None when it was given others.
    """
    if workers is not None:
        _scale(model, own, before.versions[own])
    registered = {status.version: status for status in model.versions()}
    now = model.default_version()
    in_session = now in registered and _is_beside(registered[now])  # of a watch that lives: it answers in its place
    if before.default in registered and before.default not in (None, now) and not in_session:
        model.promote(before.default)


def _scale(model: ServedModel, version: str, known: Version) -> None:
    status = model.status(version)
    if (status.min_workers, status.max_workers) != (known.workers, known.most):
        model.management.scale(model.name, known.workers, known.most, version)


def _is_beside(status: ModelStatus) -> bool:
    """Say whether it is one of the versions mardock serves beside a model's own for a while."""
    return status.url == side_names.folder(status.name, status.version)


def _version(status: ModelStatus) -> Version:
    return Version(
        status.url,
        status.min_workers,
        status.max_workers,
        status.batch_size,
        status.max_batch_delay_ms,
        status.response_timeout_s,
        status.startup_timeout_s,
    )


def _write(store: Path, model: str, entry: Optional[dict[str, Any]]) -> None:
    with locks.hold(store / _LOCK, doing="writing down what is served", timeout=_WAIT_S):
        kept = {name: known for name, known in _read(store).items() if name != model}
        text = json.dumps(kept if entry is None else {**kept, model: entry}, indent=2)
        ownership.replace(store / _FILE, text.encode())


def _read(store: Path) -> dict[str, Any]:
    try:
        found = json.loads((store / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
