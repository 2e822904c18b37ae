"""What an archive, a directory model or a project's files consist of, read alike and without unpacking anything."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from mardock.archive import manifest
from mardock.archive.members import MANIFEST_NAME
from mardock.archive.read import data_offset, read
from mardock.archive.spec import ArchiveSpec

CHUNK = 1 << 20


@dataclass(frozen=True)
class Contents:
    """A model's members.

    Attributes:
        label: what to call it.
        manifest: its parsed MANIFEST.json, which is not among the members.
        members: what opens each, by name.
    """

    label: str
    manifest: Mapping[str, Any]
    members: Mapping[str, Callable[[], IO[bytes]]]

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a member in hex."""
        digest = hashlib.sha256()
        for chunk in self.chunks(name):
            digest.update(chunk)
        return digest.hexdigest()

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a member's bytes, a mebibyte at a time."""
        with self.members[name]() as file:
            while chunk := file.read(CHUNK):
                yield chunk


def of_archive(path: Path) -> Contents:
    """Return what a `.mar` or a directory model holds.

    Raises:
        ArchiveError: it is unsound; see `mardock.archive.read.read`.
    """
    found = read(path, verify=False)
    names = [member.name for member in found.members if member.name != MANIFEST_NAME]
    if path.is_dir():
        return Contents(str(path), found.manifest, {name: _opener(path / name) for name in names})
    with zipfile.ZipFile(path) as archive:
        openers = {name: _member_opener(path, archive, archive.getinfo(name)) for name in names}
    return Contents(str(path), found.manifest, openers)


def of_project(spec: ArchiveSpec, root: Path) -> Contents:
    """Return what an archive of the project's files would hold now.

    Raises:
        ConfigError: files are missing; see `ArchiveSpec.resolve`.
    """
    sources = spec.resolve(root)
    text = manifest.render(spec)
    parsed = manifest.parse(text, {source.name for source in sources})
    openers = {one.name: _opener(one.path, one.content) for one in sources}
    return Contents(f"{spec.model_name} (the project)", parsed, openers)


def _opener(path: Path, content: Optional[bytes] = None) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb") if content is None else io.BytesIO(content)


def _member_opener(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    if entry.compress_type == zipfile.ZIP_STORED:
        offset = data_offset(archive, entry)
        return lambda: io.BufferedReader(_Slice(path, offset, entry.file_size))
    return lambda: zipfile.ZipFile(path).open(entry)


class _Slice(io.RawIOBase):
    """A part of a file. Before Python 3.13, seeking in a stored member reads all that is in between."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        count = self._file.readinto(memoryview(buffer)[: max(0, self._size - self._at)])
        self._at += count or 0
        return count or 0

    def close(self) -> None:
        self._file.close()
        super().close()
