"""The files of a project that become members of an archive, each checked on its way in."""

from __future__ import annotations

import errno
import glob
import os
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional

from mardock import permissions
from mardock.archive import roots
from mardock.archive.boundary import Boundary
from mardock.archive.ignore import IgnoreRule
from mardock.archive.names import member_fault, taken, unimportable

MANIFEST_NAME = "MAR-INF/MANIFEST.json"
_REASONS = {errno.ENOENT: "does not exist", errno.ELOOP: "is a symlink loop"}


@dataclass(frozen=True)
class SourceFile:
    """A regular file (`path`, free of symlinks) that becomes the member `name`; as `content`, where that is given."""

    name: str
    path: Path
    content: Optional[bytes] = None


class Ignored(NamedTuple):
    """A path that was left out, relative to the project's root, and the pattern that says so."""

    path: str
    reason: str


class _Found(NamedTuple):
    real: Path
    mode: int


@dataclass
class Collector:
    """Gathers members below `root` (a real path) and notes every fault instead of stopping at the first.

    Attributes:
        rule: what is left out of what a folder or a glob brings.
        packages: what `code` brought into the archive's root, by its name there.
        mend: what mends one of the faults, where that is a command.
    """

    root: Path
    rule: IgnoreRule
    faults: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    ignored: list[Ignored] = field(default_factory=list)
    packages: dict[str, Path] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)
    allow_outside: bool = False
    mend: Optional[str] = None
    _sources: dict[str, Path] = field(default_factory=dict)

    def members(self) -> tuple[SourceFile, ...]:
        return tuple(SourceFile(name, path) for name, path in sorted(self._sources.items()))

    def add_file(self, label: str, path: Path, name: Optional[str] = None) -> None:
        """Add the one file `path`, to the root unless it has another name; `label` is the field that names it."""
        found = self._find(label, path)
        if found and stat.S_ISDIR(found.mode):
            self.faults.append(f"{label}: {path} is a directory")
        elif found:
            self._add(label, path, name or path.name, found)

    def add_code(self, entry: str) -> None:
        """Add a package, or a module of one file, under its own name."""
        path = Path(os.path.normpath(entry))
        found = self._find("code", path)
        if not found:
            return
        is_folder = stat.S_ISDIR(found.mode)
        if not is_folder and path.suffix != ".py":
            self.faults.append(f"code: {path} is neither a package's folder nor a .py")
            return
        fault = unimportable(path.name if is_folder else path.stem)
        before = self.packages.setdefault(path.name, path)
        if fault:
            self.faults.append(f"code: {path} {fault}")
        elif before != path:
            self.faults.append(f"code: {before} and {path} are both {path.name!r}")
        elif is_folder:
            self._add_all("code", path, f"{path.name}/", found)
        else:
            self._add("code", path, path.name, found)

    def check_root(self, modules: Mapping[str, Optional[str]]) -> None:
        """Note what stands in the way of what a worker imports from the archive's root.

        Args:
            modules: the member that it imports for a field, e.g. `handler`.
        """
        for label, name in modules.items():
            fault = taken(Path(name).stem) if name and "/" not in name else None
            if fault:
                self.faults.append(f"{label}: {name} {fault}")
        shown = {name: os.path.relpath(path, self.root) for name, path in self._sources.items()}
        self.faults += roots.clashes(shown, self.packages)

    def add_extra(self, entry: str) -> None:
        """Add a file, a glob or a folder as torch-model-archiver does: what a folder holds lands in the archive's root.

        Unlike there, a pattern without a match is a fault.
        """
        if glob.has_magic(entry) and not os.path.lexists(self.root / entry):
            pattern = str(Path(glob.escape(str(self.root)), entry))
            matches = glob.glob(pattern)  # noqa: PTH207 Path.glob would bring hidden files too
            paths = [Path(os.path.relpath(match, self.root)) for match in sorted(matches)]
            kept = [path for path in paths if not self._ignores(path)]
            if not kept:
                self.faults.append(f"extra_files: no file matches {entry}{self._because(paths)}")
            paths = kept
        else:
            paths = [Path(entry)]
        for path in paths:
            found = self._find("extra_files", path)
            if found and stat.S_ISDIR(found.mode):
                self._add_all("extra_files", path, "", found)
            elif found:
                self._add("extra_files", path, path.name, found)

    def _add_all(self, label: str, folder: Path, prefix: str, found: _Found) -> None:
        """Add what lies in a folder that mardock.toml names, and let nothing of it be missed in silence."""
        ignored = len(self.ignored)
        kept = self._add_folder(label, folder, prefix, (found.real,))
        left_out = [Path(one.path) for one in self.ignored[ignored:]]
        if not kept and left_out:
            self.faults.append(f"{label}: there is nothing in {folder}{self._because(left_out)}")

    def _add_folder(self, label: str, folder: Path, prefix: str, ancestors: tuple[Path, ...]) -> bool:
        """Add what lies in `folder`, whose real path is the last of `ancestors`, and say whether that is anything."""
        kept = False
        for name in sorted(os.listdir(ancestors[-1])):  # noqa: PTH208 names are all it takes
            path = folder / name
            if self._ignores(path):
                continue
            found = self._find(label, path)
            if not found or not stat.S_ISDIR(found.mode):
                kept = True
                if found:
                    self._add(label, path, prefix + name, found)
            elif found.real in ancestors:
                self.faults.append(f"{label}: {path} is a symlink to a folder it lies in")
            else:
                kept = self._add_folder(label, path, f"{prefix}{name}/", (*ancestors, found.real)) or kept
        return kept

    def _ignores(self, path: Path) -> bool:
        """Say whether the rule leaves a path out, and note it."""
        is_folder = (self.root / path).is_dir()
        reason = self.rule.reason(path, is_folder=is_folder)
        if reason:
            self.ignored.append(Ignored(f"{path.as_posix()}/" if is_folder else path.as_posix(), reason))
        return reason is not None

    def _because(self, paths: list[Path]) -> str:
        """Name the first pattern that left out one of these paths."""
        shown = {path.as_posix() for path in paths}
        reason = next((one.reason for one in self.ignored if one.path.rstrip("/") in shown), None)
        return f" that is not ignored ({reason})" if reason else ""

    def _find(self, label: str, path: Path) -> Optional[_Found]:
        """What `path` leads to, or None when it is missing or lies where it may not."""
        try:
            mode = (self.root / path).stat().st_mode
        except OSError as error:
            unseen = self._boundary.unseen(path)
            (self.outside if unseen else self.missing).add(str(path))
            reason = unseen or _REASONS.get(error.errno or 0, f"cannot be read: {error.strerror}")
            self.faults.append(f"{label}: {path} {reason}")
            return None
        real = Path(os.path.realpath(self.root / path))
        fault = self._boundary.fault(real, weights=label == "serialized_file")
        if fault:
            self.outside.add(str(path))
            self.faults.append(f"{label}: {path} {fault}")
            return None
        if not os.access(real, os.R_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)):
            closed = permissions.refused(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), real)
            self.mend = closed.hint
            self.faults.append(f"{label}: {closed.message}")
            return None
        return _Found(real, mode)

    @property
    def _boundary(self) -> Boundary:
        return Boundary(self.root, self.allow_outside)

    def _add(self, label: str, path: Path, name: str, found: _Found) -> None:
        fault = "belongs to the archive itself" if name.startswith("MAR-INF/") else member_fault(name)
        if fault:
            self.faults.append(f"{label}: member {name!r} {fault}")
            self.mend = (
                self.mend or f"rename it: ls -b {shlex.quote(str(self.root / path.parent))} shows how it is spelt"
            )
        elif not stat.S_ISREG(found.mode):
            self.faults.append(f"{label}: {path} is neither a file nor a directory")
        elif self._sources.setdefault(name, found.real) != found.real:
            other = os.path.relpath(self._sources[name], self.root)
            self.faults.append(f"{label}: {path} and {other} are both {name!r}")
