"""Sweeping: what a killed command left beside a model is found by its name, and goes with the next command."""

from __future__ import annotations

import glob
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock import side_names
from mardock.archive import directory
from mardock.archive.members import MANIFEST_NAME
from mardock.serving import sessions
from mardock.serving.draining import Drain
from mardock.serving.served_model import ServedModel
from mardock.serving.server import Server
from mardock.side_names import Kind

_GOOD = (Kind.WATCHED, Kind.INSTANT)
"""What a watch leaves serving; the other kinds are of no use once their command is gone."""


@dataclass(frozen=True)
class Leftovers:
    """What is to go.

    Attributes:
        versions: those to unregister.
        heir: the version that is to answer predictions that name none; None to leave that as it is.
    """

    versions: tuple[str, ...]
    heir: Optional[str] = None


def leftovers(
    registered: Collection[str], default: Optional[str], *, own: Optional[str] = None, serving: bool = False
) -> Leftovers:
    """Tell which versions a killed command left, and which one is to answer in the place of a default one among them.

    Args:
        own: the version of the model's own files, whatever it looks like.
        serving: whether that serves now, which makes all that stand beside it needless; a session goes on from what a
            watch left serving.
    """
    heir = _heir(registered, default, own, serving=serving) if default is not None else None
    gone = tuple(version for version in registered if side_names.parse(version) and version not in (heir, own))
    return Leftovers(gone, heir if heir != default else None)


def sweep(
    model: ServedModel,
    drain: Drain,
    *,
    own: Optional[str] = None,
    serving: bool = False,
    kinds: Collection[Kind] = tuple(Kind),
    keep: Collection[str] = (),
    asked: Collection[str] = (),
) -> bool:
    """Take away what a killed command left of a model, and the folders nothing serves; says whether all is answered.

    With `serving` it stays while the model's own version is not registered: then it is all there is. Nobody else may be
    in a session with the model: what that serves looks the same.

    Args:
        drain: waits for the requests of a default version that goes, and of those in `asked`.
        own, serving: see `leftovers`.
        kinds: what to look for.
        keep: versions whose folders stay.
    """
    statuses = {status.version: status for status in model.versions()}
    if serving and own not in statuses:
        return True
    default = model.default_version() if any(map(side_names.parse, statuses)) else None
    found = leftovers(list(statuses), default, own=own, serving=serving)
    gone = [version for version in found.versions if _kind(version) in kinds]
    if found.heir is not None and default in gone:
        model.promote(found.heir)
    answered = True
    for version in gone:
        if version == default or version in asked:
            answered = drain.run(statuses[version]) and answered
        model.remove(version)
    kept = {status.url for status in statuses.values() if status.version not in gone}
    kept.update(side_names.folder(model.name, version) for version in keep)
    remove_folders(model, [*statuses, *([own] if own else [])], kept, kinds)
    return answered


def clear(server: Server, name: str, own: str) -> None:
    """Take away what a killed command left of a model that is not to be registered now, if nobody is at work with it.

    Args:
        own: the version of the model's own files.
    """
    with sessions.nobody_in(server.store, name) as alone, ServedModel(server, name) as model:
        sweep(model, Drain(server.endpoint), own=own, kinds=tuple(Kind) if alone else (Kind.NEXT,))


def remove_folders(
    model: ServedModel, versions: Collection[str], kept: Collection[str], kinds: Collection[Kind] = tuple(Kind)
) -> None:
    """Delete the folders of a model's side versions, where the store is at hand.

    Args:
        versions: the model's, as far as they are known.
        kept: folders that stay.
    """
    known = {_root(version) for version in versions}
    for folder in _folders(model.server.store, model.name, known, kinds) if model.server.store is not None else ():
        if folder.name not in kept:
            directory.remove(folder)


def _heir(registered: Collection[str], default: str, own: Optional[str], *, serving: bool) -> str:
    def may_serve(version: str) -> bool:
        kind = None if version == own else _kind(version)
        return version in registered and (kind is None or (kind in _GOOD and not serving))

    others = [version for version in registered if _kind(version) is None]
    candidates = (default, *_bases(default), *([own] if own else []), *reversed(others))
    return next((version for version in candidates if may_serve(version)), default)


def _bases(version: str) -> Iterator[str]:
    while name := side_names.parse(version):
        version = name.base
        yield version


def _root(version: str) -> str:
    return next(reversed([version, *_bases(version)]))


def _kind(version: str) -> Optional[Kind]:
    name = side_names.parse(version)
    return name.kind if name else None


def _folders(store: Path, model: str, known: Collection[str], kinds: Collection[Kind]) -> Iterator[Path]:
    """Yield the folders of side versions of a model; one of `a-b` may look like one of `a`, so its manifest is read."""
    prefix = side_names.folder(model, "")
    for folder in store.glob(f"{glob.escape(prefix)}*"):
        version = folder.name[len(prefix) :]
        if (kind := _kind(version)) and kind in kinds and (_root(version) in known or _model_of(folder) == model):
            yield folder


def _model_of(folder: Path) -> Optional[str]:
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        return str(manifest["model"]["modelName"])
    except (OSError, ValueError, LookupError, TypeError):  # it was being made as its command was killed
        return None
