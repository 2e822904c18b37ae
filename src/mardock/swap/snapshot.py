"""Snapshot: what a model consists of at one moment, told apart by content, and where to look for changes of it."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Optional

from mardock.archive.members import SourceFile
from mardock.errors import ConfigError
from mardock.settings.root import PROJECT_FILE
from mardock.settings.schema import ModelSettings

SMALL = 1 << 20
"""Bytes up to which a file is told apart by its content. Two writes within one tick of the file system's clock leave
the same size, time and inode."""


class Member(NamedTuple):
    """A file of the model; `mark` changes when its content does, which `content` is in the place of."""

    path: Path
    size: int
    mark: str
    content: Optional[bytes] = None


@dataclass(frozen=True)
class Snapshot:
    """A model's settings and its files, by their member's name."""

    settings: ModelSettings
    members: Mapping[str, Member]

    def changed_since(self, before: Optional[Snapshot]) -> tuple[str, ...]:
        """Return the members that were added, changed or removed, and `mardock.toml` when the settings were."""
        if before is None:
            return ()
        names = [
            name
            for name in sorted({**before.members, **self.members})
            if before.members.get(name) != self.members.get(name)
        ]
        return tuple(names if self.settings == before.settings else [*names, PROJECT_FILE])


def take(settings: ModelSettings, root: Path) -> Snapshot:
    """Look at a model's files.

    Raises:
        ConfigError: some are missing or cannot be read.
    """
    members = {}
    for source in settings.archive.resolve(root):
        try:
            members[source.name] = _member(source)
        except OSError as error:
            raise ConfigError(f"cannot read {source.path}: {error.strerror}", hint="save it again") from error
    return Snapshot(settings, members)


def _member(source: SourceFile) -> Member:
    path, content = source.path, source.content
    if content is not None:
        return Member(path, len(content), hashlib.sha256(content).hexdigest(), content)
    found = path.stat()
    if found.st_size > SMALL:
        return Member(path, found.st_size, f"{found.st_mtime_ns}-{found.st_ino}")
    return Member(path, found.st_size, hashlib.sha256(path.read_bytes()).hexdigest())


@dataclass(frozen=True)
class Scope:
    """Where changes of a model show.

    Attributes:
        files: its own, there or not.
        trees: folders that are its own with all they hold.
        patterns: globs, absolute, that match more of its own.
        above: the folders all of those lie in, up to the project's root.
        folders: which to watch, each without what is below it.
    """

    files: frozenset[Path]
    trees: frozenset[Path]
    patterns: frozenset[str]
    above: frozenset[Path]
    folders: frozenset[Path]

    def holds(self, path: Path) -> bool:
        """Say whether a path is one of the model's own."""
        return (
            path in self.files
            or any(tree == path or tree in path.parents for tree in self.trees)
            or any(fnmatch.fnmatch(str(path), pattern) for pattern in self.patterns)
        )

    def stamps(self) -> dict[Path, tuple[int, int, int]]:
        """Return modification time, size and inode of every one of the model's own files that is there."""
        inside = {folder / name for folder in self.folders if folder.is_dir() for name in os.listdir(folder)}  # noqa: PTH208
        found = {}
        for path in self.files | inside:
            if self.holds(path):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return found


def scope(settings: ModelSettings, root: Path) -> Scope:
    """Return where to look; works while files are missing, and then finds them when they come back."""
    spec = settings.archive
    named = (spec.handler_file, spec.model_file, spec.serialized_file, spec.requirements_file, spec.config_file)
    globs = [entry for entry in spec.extra_files if glob.has_magic(entry)]
    paths = {root / name for name in (PROJECT_FILE, *named, *spec.extra_files) if name and name not in globs}
    paths |= {Path(os.path.realpath(path)) for path in paths}  # an editor may write through a symlink
    trees = {path for path in paths if path.is_dir()}
    patterns = {os.path.join(glob.escape(str(root)), entry) for entry in globs}  # noqa: PTH118 a pattern is no path
    below = trees | {root / entry[: _magic_at(entry)].rpartition("/")[0] for entry in globs}
    inside = {Path(folder) for top in below for folder, _, _ in os.walk(top)}
    folders = {_existing(folder) for folder in inside | below | {path.parent for path in paths}}
    above = {folder for path in paths | below for folder in path.parents if root in folder.parents}
    return Scope(frozenset(paths - trees), frozenset(trees), frozenset(patterns), frozenset(above), frozenset(folders))


def _magic_at(entry: str) -> int:
    return min(position for position in map(entry.find, "*?[") if position >= 0)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())
