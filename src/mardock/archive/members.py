"""The files of a project that become members of an archive, each checked on its way in."""

from __future__ import annotations

import errno
import glob
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional

from mardock.archive.names import member_fault

MANIFEST_NAME = "MAR-INF/MANIFEST.json"
_REASONS = {errno.ENOENT: "does not exist", errno.ELOOP: "is a symlink loop"}
_SKIPPED_FOLDERS = ("__pycache__", "__MACOSX")


@dataclass(frozen=True)
class SourceFile:
    """A regular file (`path`, free of symlinks) that becomes the member `name`; as `content`, where that is given."""

    name: str
    path: Path
    content: Optional[bytes] = None


class _Found(NamedTuple):
    real: Path
    mode: int


@dataclass
class Collector:
    """Gathers members below `root` (a real path) and notes every fault instead of stopping at the first."""

    root: Path
    faults: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    _sources: dict[str, Path] = field(default_factory=dict)

    def members(self) -> tuple[SourceFile, ...]:
        return tuple(SourceFile(name, path) for name, path in sorted(self._sources.items()))

    def add_file(self, label: str, path: Path) -> None:
        """Add the one file `path`; `label` is the field that names it."""
        found = self._find(label, path)
        if found and stat.S_ISDIR(found.mode):
            self.faults.append(f"{label}: {path} is a directory")
        elif found:
            self._add(label, path, path.name, found)

    def add_extra(self, entry: str) -> None:
        """Add a file, a glob or a folder as torch-model-archiver does: what a folder holds lands in the archive's root.

        Unlike there, a pattern without a match is a fault.
        """
        if glob.has_magic(entry) and not os.path.lexists(self.root / entry):
            pattern = str(Path(glob.escape(str(self.root)), entry))
            matches = glob.glob(pattern)  # noqa: PTH207 Path.glob would bring hidden files too
            paths = [Path(os.path.relpath(match, self.root)) for match in sorted(matches)]
            if not paths:
                self.faults.append(f"extra_files: no file matches {entry}")
        else:
            paths = [Path(entry)]
        for path in paths:
            found = self._find("extra_files", path)
            if found and stat.S_ISDIR(found.mode):
                self._add_folder(path, "", (found.real,))
            elif found:
                self._add("extra_files", path, path.name, found)

    def _add_folder(self, folder: Path, prefix: str, ancestors: tuple[Path, ...]) -> None:
        """Add what lies in `folder`, whose real path is the last of `ancestors`."""
        for name in sorted(os.listdir(ancestors[-1])):  # noqa: PTH208 names are all it takes
            path = folder / name
            found = self._find("extra_files", path)
            if not found:
                continue
            if not stat.S_ISDIR(found.mode):
                self._add("extra_files", path, prefix + name, found)
            elif found.real in ancestors:
                self.faults.append(f"extra_files: {path} is a symlink to a folder it lies in")
            elif name not in _SKIPPED_FOLDERS and not name.startswith("."):
                self._add_folder(path, f"{prefix}{name}/", (*ancestors, found.real))

    def _find(self, label: str, path: Path) -> Optional[_Found]:
        """What `path` leads to, or None when it is missing or outside of the project."""
        try:
            mode = (self.root / path).stat().st_mode
        except OSError as error:
            self.missing.add(str(path))
            self.faults.append(f"{label}: {path} {_REASONS.get(error.errno or 0, f'cannot be read: {error.strerror}')}")
            return None
        real = Path(os.path.realpath(self.root / path))
        if self.root != real and self.root not in real.parents:
            self.faults.append(f"{label}: {path} leads out of the project, to {real}")
            return None
        return _Found(real, mode)

    def _add(self, label: str, path: Path, name: str, found: _Found) -> None:
        fault = "belongs to the archive itself" if name.startswith("MAR-INF/") else member_fault(name)
        if fault:
            self.faults.append(f"{label}: member {name!r} {fault}")
        elif not stat.S_ISREG(found.mode):
            self.faults.append(f"{label}: {path} is neither a file nor a directory")
        elif self._sources.setdefault(name, found.real) != found.real:
            self.faults.append(f"{label}: {path} and {self._sources[name].relative_to(self.root)} are both {name!r}")
