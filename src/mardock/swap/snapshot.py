"""Snapshot: what a model consists of at one moment, told apart by content, and where to look for changes of it."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import glob
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Optional

from mardock.archive import ignore
from mardock.archive.boundary import around
from mardock.archive.ignore import IGNORE_FILE, IgnoreRule
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
        root: the project's folder.
        rule: what is ignored of what trees and patterns hold.
        above: the folders all of those lie in, up to the project's root.
        folders: which to watch, each without what is below it.
    """

    files: frozenset[Path]
    trees: frozenset[Path]
    patterns: frozenset[str]
    root: Path
    rule: IgnoreRule
    above: frozenset[Path]
    folders: frozenset[Path]

    def holds(self, path: Path) -> bool:
        """Say whether a path is one of the model's own."""
        if path in self.files or path in self.trees:
            return True
        named = [len(tree.parts) for tree in self.trees if tree in path.parents]
        named += [len(Path(glob).parts) - 1 for glob in self.patterns if fnmatch.fnmatch(str(path), glob)]
        return bool(named) and not _is_left_out(path, self.root, max(named), self.rule)

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
    rule = ignore.of_project_or_built_in(root)
    named = (spec.handler_file, spec.model_file, spec.serialized_file, spec.requirements_file, spec.config_file)
    entries = (*spec.code, *spec.extra_files)
    globs = [entry for entry in spec.extra_files if glob.has_magic(entry)]
    paths = {_below(root, name) for name in (PROJECT_FILE, IGNORE_FILE, *named, *entries) if name and name not in globs}
    paths |= {link for path in paths for link in _led_to(path)}  # an editor may write through a symlink
    trees = {path for path in paths if path.is_dir()}
    patterns = {os.path.normpath(os.path.join(glob.escape(str(root)), entry)) for entry in globs}  # noqa: PTH118 a pattern is no path
    below = trees | {_below(root, entry[: _magic_at(entry)].rpartition("/")[0]) for entry in globs}
    inside = {folder for top in below for folder in _folders(top, root, rule)}
    named_by = Scope(frozenset(), frozenset(trees), frozenset(patterns), root, rule, frozenset(), frozenset())
    paths |= _linked_to(inside, named_by)
    folders = {_existing(folder) for folder in inside | below | {path.parent for path in paths}}
    repository = around(root)
    above = {
        folder
        for path in paths | below
        for folder in path.parents
        if (root if root in path.parents else repository) in folder.parents
    }
    return dataclasses.replace(
        named_by, files=frozenset(paths - trees), above=frozenset(above), folders=frozenset(folders)
    )


def _folders(top: Path, root: Path, rule: IgnoreRule) -> Iterator[Path]:
    """Yield a folder and those in it, but for what is ignored: a repository's or a cache's take one watch each."""
    for folder, names, _ in os.walk(top):
        here = Path(folder)
        yield here
        names[:] = [name for name in names if not _is_left_out(here / name, root, len(here.parts), rule)]


def _is_left_out(path: Path, root: Path, named: int, rule: IgnoreRule) -> bool:
    """Say whether a rule leaves out a path, of whose parts that many are named or known to be kept."""
    relative = Path(os.path.relpath(path, root))
    return rule.leaves_out(relative, len(relative.parts) - (len(path.parts) - named), is_folder=path.is_dir())


def _below(root: Path, name: str) -> Path:
    """Return a path of mardock.toml as changes are told: without `..` in it."""
    return Path(os.path.normpath(root / name))


def _linked_to(folders: set[Path], kept: Scope) -> set[Path]:
    """Return the files that links of the model's own lead to, as those of a hub's cache do."""
    entries = (entry for folder in folders if folder.is_dir() for entry in os.scandir(folder))
    links = (Path(entry.path) for entry in entries if entry.is_symlink())
    return {link for path in links if kept.holds(path) for link in _led_to(path)}


def _led_to(path: Path) -> set[Path]:
    """Return what a path leads to, and the links on the way, each of which may be put elsewhere."""
    found = {Path(os.path.realpath(path))}
    while path.is_symlink() and path not in found:
        found.add(path)
        path = Path(os.path.normpath(path.parent / os.readlink(path)))  # noqa: PTH115 as text
    return found


def _magic_at(entry: str) -> int:
    return min(position for position in map(entry.find, "*?[") if position >= 0)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())
