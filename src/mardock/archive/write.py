"""Writing a `.mar`: a reproducible, stored zip, put in place in one step or not at all.

Weights hardly deflate (7 %) and what else is in an archive is small, so nothing is compressed.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from mardock.archive.manifest import build_time
from mardock.archive.members import MANIFEST_NAME, SourceFile
from mardock.archive.store import DISK_FULL, Draft
from mardock.errors import ArchiveError
from mardock.listener import Advance

try:
    from isal.isal_zlib import crc32
except ImportError:  # the extra `fast`: three times zlib's speed
    from zlib import crc32

_CHUNK = 1 << 20
_PAGE = 4096


class SourceChangedError(Exception):
    """A file was written to while it was being archived."""


def write_archive(draft: Draft, sources: Sequence[SourceFile], manifest: bytes, advance: Advance) -> bool:
    """Write `sources` and `manifest` into `draft` and put it in place, unless the same bytes are there already.

    Args:
        advance: called with the bytes done and in all, after each mebibyte.

    Returns:
        Whether the archive in the store is a new one.

    Raises:
        SourceChangedError: a source was written to meanwhile.
        ArchiveError: the disk is full.
    """
    total = sum(source.path.stat().st_size for source in sources)
    if total > shutil.disk_usage(draft.target.parent).free:  # a sparse file may be larger than any disk
        raise _disk_full(draft, total + len(manifest))
    draft.empty()
    try:
        draft.reserve(total)
        with open(draft.fd, "wb", closefd=False) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            report = _Reporter(advance, total)
            for source in sources:
                if source.content is None:
                    _copy(archive, source, report)
                else:
                    archive.writestr(_entry(source.name), source.content)
            archive.writestr(_entry(MANIFEST_NAME), manifest)
        if draft.target.exists():
            if same_bytes(draft.path, draft.target):
                return False
            os.fsync(draft.fd)  # an archive is at stake, should the power fail
        draft.commit()
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise _disk_full(draft, total + len(manifest)) from error
    return True


class _Reporter:
    def __init__(self, advance: Advance, total: int) -> None:
        self._advance, self._total, self._done = advance, total, 0

    def add(self, count: int) -> None:
        self._done += count
        self._advance(self._done, self._total)


def _copy(archive: zipfile.ZipFile, source: SourceFile, report: _Reporter) -> None:
    with source.path.open("rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        entry = _entry(source.name)
        entry.file_size = entry.compress_size = before.st_size
        _append(archive, entry, file, report)
        after = source.path.stat()
    if signature(before) != signature(after):
        raise SourceChangedError(source.path)


def _append(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: io.FileIO, report: _Reporter) -> None:
    """Add a stored member as `ZipFile.open(entry, "w")` does, but for the checksum, which is its greatest cost."""
    assert archive.fp is not None
    entry.header_offset = archive.start_dir
    entry.CRC = 0
    archive.fp.seek(entry.header_offset)
    archive.fp.write(entry.FileHeader())
    entry.CRC = _copy_bytes(file, archive.fp, entry.file_size, report)
    archive.start_dir = archive.fp.tell()
    archive.fp.seek(entry.header_offset)
    archive.fp.write(entry.FileHeader())
    archive.filelist.append(entry)
    archive.NameToInfo[entry.filename] = entry


def _copy_bytes(file: io.FileIO, target: IO[bytes], size: int, report: _Reporter) -> int:
    """Copy and return the CRC-32: one pass through one buffer, faster than a checksum and `os.copy_file_range`.

    All chunks but the first begin on a page of the target, which writes them a tenth faster.
    """
    buffer = memoryview(bytearray(min(size, _CHUNK)))
    crc = 0
    left = size
    end = target.tell() + size
    while left:
        count = file.readinto(buffer[: min(left, _CHUNK - (end - left) % _PAGE)])
        if not count:
            break  # the file shrank, which its size tells
        chunk = buffer[:count]
        crc = crc32(chunk, crc)
        target.write(chunk)
        report.add(count)
        left -= count
    return crc


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, build_time().timetuple()[:6])
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def signature(status: os.stat_result) -> tuple[int, int, int, int]:
    """What changes when a file is written to."""
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev


def same_bytes(one: Path, other: Path) -> bool:
    """Compare two files like `filecmp.cmp`, in chunks that keep up with the disk cache: it reads 8 KiB at a time."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb", buffering=0) as left, other.open("rb", buffering=0) as right:
        while True:
            chunk = left.read(_CHUNK)
            if chunk != right.read(_CHUNK):
                return False
            if not chunk:
                return True


def _disk_full(draft: Draft, needed: int) -> ArchiveError:
    store = draft.target.parent
    draft.discard()
    free = shutil.disk_usage(store).free
    return ArchiveError(
        f"no room for {draft.target.name}: it needs {needed:,} bytes, {store} has {free:,} free",
        hint=f"free some space, e.g. delete archives in {store} that are served no more",
    )
