"""Directory models: a model laid out as a folder of the model store, which TorchServe serves without unpacking it.

A folder costs next to nothing, for large weights are hard links. What is small is copied: an editor that writes in
place would write into what is served.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Optional

from mardock import ownership
from mardock.archive import manifest
from mardock.archive.members import MANIFEST_NAME, SourceFile
from mardock.archive.read import UNSOUND, ModelArchive
from mardock.archive.spec import ArchiveSpec
from mardock.defaults import LINKED_ABOVE
from mardock.errors import ArchiveError


def lay_out(
    folder: Path,
    spec: ArchiveSpec,
    members: Iterable[SourceFile],
    *,
    overrides: Optional[Mapping[str, bytes]] = None,
    shared: Optional[Mapping[str, Path]] = None,
) -> None:
    """Make the folder of a model, in the place of what has its name; nothing is left of one that cannot be made.

    Args:
        spec: what the manifest tells; `version` and `handler` may be others than the project's.
        overrides: what to write instead of a member of that name, or beside the members.
        shared: files that are linked to in place of the member's own whatever their size: they hold the same, and
            nobody edits them, e.g. those of another such folder.

    Raises:
        ArchiveError: a file cannot be read, or the store cannot be written.
    """
    files = {MANIFEST_NAME: manifest.render(spec), **(overrides or {})}
    shared = shared or {}
    try:
        shutil.rmtree(folder, ignore_errors=True)
        for member in members:
            if member.name in files:
                continue
            if member.content is not None:
                _prepared(folder / member.name).write_bytes(member.content)
            else:
                _place(member.path, _prepared(folder / member.name), shared.get(member.name))
        for name, content in files.items():
            _prepared(folder / name).write_bytes(content)
        ownership.adopt_tree(folder)
    except BaseException as error:
        remove(folder)
        if isinstance(error, OSError):
            raise ArchiveError(f"cannot lay out {folder.name}: {error}", hint=f"ls -ld {folder.parent}") from error
        raise


def unpack(archive: ModelArchive, folder: Path, version: str) -> None:
    """Make the folder of another version of an archive that was found sound, in the place of what has its name.

    Raises:
        ArchiveError: the archive cannot be read any more, or the store cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    text = {**archive.manifest, "model": {**archive.manifest["model"], "modelVersion": version}}
    try:
        if archive.path.is_dir():
            for member in archive.members:
                _place(archive.path / member.name, _prepared(folder / member.name), None)
        else:
            with zipfile.ZipFile(archive.path) as file:
                file.extractall(folder)
        (folder / MANIFEST_NAME).write_text(json.dumps(text, indent=2), encoding="utf-8")
        ownership.adopt_tree(folder)
    except BaseException as error:
        remove(folder)
        if isinstance(error, UNSOUND):
            raise ArchiveError(f"cannot lay out {folder.name}: {error}", hint=f"ls -ld {folder.parent}") from error
        raise


def remove(folder: Path) -> None:
    """Delete a folder. What a worker still writes into it meanwhile stays."""
    shutil.rmtree(folder, ignore_errors=True)


def _prepared(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _place(origin: Path, target: Path, shared: Optional[Path]) -> None:
    if shared is None and origin.stat().st_size <= LINKED_ABOVE:
        shutil.copyfile(origin, target)
        return
    try:
        os.link(shared or origin, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links, or another user's file
        shutil.copyfile(shared or origin, target)
