"""The folder of a watched version: what did not change is shared with the version before."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock.archive import loaded_code
from mardock.archive.members import SourceFile
from mardock.serving.side_version import SideVersion
from mardock.swap.snapshot import Snapshot


@dataclass(frozen=True)
class Directory:
    """A version laid out in the model store, e.g. `artifacts/.mnist-1.0-w0002`."""

    side: SideVersion
    snapshot: Snapshot

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.side.folder

    @property
    def version(self) -> str:
        """What it is served as."""
        return self.side.version

    def remove(self) -> None:
        """Serve it no more and delete it. What a worker still writes into it meanwhile is left for the next sweep."""
        self.side.remove()


@dataclass(frozen=True)
class Addition:
    """What a folder holds besides the model: further files, and the handler that is served in place of its own."""

    handler: str
    files: Mapping[str, bytes]


def lay_out(
    side: SideVersion,
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
    spec = snapshot.settings.archive
    side.lay_out(
        dataclasses.replace(spec, handler=addition.handler) if addition else spec,
        [SourceFile(name, member.path, member.content) for name, member in snapshot.members.items()],
        overrides=addition.files if addition else None,
        shared={name: before.path / name for name in _unchanged(snapshot, before)} if before else None,
    )
    return Directory(side, snapshot)


def check_code(directory: Directory, root: Path) -> None:
    """Find what is wrong in the code before TorchServe would.

    Raises:
        ArchiveError: a syntax error with `file:line`, or a handler or model file TorchServe cannot use.
    """
    snapshot = directory.snapshot
    spec = snapshot.settings.archive
    real_root = Path(os.path.realpath(root))
    laid_out = {name: directory.path / name for name in snapshot.members}
    labels = {name: os.path.relpath(member.path, real_root) for name, member in snapshot.members.items()}
    loaded_code.check(spec, loaded_code.read_all(spec, laid_out, labels))


def _unchanged(snapshot: Snapshot, before: Directory) -> Iterator[str]:
    return (name for name, member in snapshot.members.items() if before.snapshot.members.get(name) == member)
