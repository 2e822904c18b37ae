"""Directory models: a version of a model as a folder of the model store, which TorchServe serves without unpacking it.

A folder costs next to nothing: what did not change is a hard link to the version before. What did is copied, for an
editor that writes in place would write into the served version too; only large weights are linked.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock.archive import manifest, source_check
from mardock.archive.members import MANIFEST_NAME
from mardock.errors import ArchiveError
from mardock.swap import versions
from mardock.swap.snapshot import Snapshot

_LARGE = 64 << 20  # bytes; copying as much takes some 30 ms


@dataclass(frozen=True)
class Directory:
    """A version laid out in the model store, e.g. `artifacts/.mnist-1.0-w0002`."""

    path: Path
    version: str
    snapshot: Snapshot


@dataclass(frozen=True)
class Addition:
    """What a folder holds besides the model: further files, and the handler that is served in place of its own."""

    handler: str
    files: Mapping[str, bytes]


def lay_out(
    store: Path,
    version: str,
    snapshot: Snapshot,
    *,
    before: Optional[Directory] = None,
    addition: Optional[Addition] = None,
) -> Directory:
    """Make the folder of a version; nothing is left of one that cannot be made.

    Args:
        before: the version to share unchanged files with.

    Raises:
        ArchiveError: a file cannot be read, or the store cannot be written.
    """
    spec = dataclasses.replace(snapshot.settings.archive, version=version)
    path = store / _name(spec.model_name, version)
    files = {MANIFEST_NAME: manifest.render(dataclasses.replace(spec, handler=addition.handler) if addition else spec)}
    files.update(addition.files if addition else {})
    try:
        shutil.rmtree(path, ignore_errors=True)
        for name in snapshot.members:
            _place(name, path / name, snapshot, before)
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            raise ArchiveError(f"cannot lay out {path.name}: {error}", hint=f"ls -ld {store}") from error
        raise
    return Directory(path, version, snapshot)


def check_code(directory: Directory, root: Path) -> None:
    """Find what is wrong in the code before TorchServe would.

    Raises:
        ArchiveError: a syntax error with `file:line`, or a handler or model file TorchServe cannot use.
    """
    spec, members = directory.snapshot.settings.archive, directory.snapshot.members
    real_root = Path(os.path.realpath(root))
    parsed = {}
    for name in members:
        if name.endswith(".py"):
            label = os.path.relpath(members[name].path, real_root)
            parsed[name] = source_check.parse(directory.path / name, label)
    if spec.handler_file:
        source_check.check_handler(parsed[Path(spec.handler_file).name], spec.handler_function)
    if spec.model_file:
        source_check.check_model_file(parsed[Path(spec.model_file).name])


def remove(path: Path) -> None:
    """Delete a version's folder. What a worker still writes into it meanwhile is left for the next sweep."""
    shutil.rmtree(path, ignore_errors=True)


def sweep(store: Path, model: str, base: str, served: Iterable[str]) -> None:
    """Delete the folders of watched versions that nothing serves, which only a watch that was killed leaves."""
    kept = set(served)
    prefix = _name(model, "")
    for path in store.glob(f"{glob.escape(prefix)}*"):
        if versions.made_by_watch(path.name[len(prefix) :], base) and path.name not in kept:
            remove(path)


def _name(model: str, version: str) -> str:
    return f".{model}-{version}"  # TorchServe skips hidden entries when it loads all of a store


def _place(name: str, target: Path, snapshot: Snapshot, before: Optional[Directory]) -> None:
    member = snapshot.members[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    unchanged = before is not None and before.snapshot.members.get(name) == member
    origin = before.path / name if before is not None and unchanged else member.path
    if not unchanged and member.size <= _LARGE:
        shutil.copyfile(origin, target)
        return
    try:
        os.link(origin, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links, or another user's file
        shutil.copyfile(origin, target)
