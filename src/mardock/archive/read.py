"""Reading a model archive without trusting it: a `.mar` or a directory model becomes a checked `ModelArchive`."""

from __future__ import annotations

import hashlib
import shlex
import stat
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from mardock import permissions
from mardock.archive.manifest import parse
from mardock.archive.members import MANIFEST_NAME
from mardock.archive.names import member_fault
from mardock.errors import ArchiveError

UNSOUND = (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error)
_CHUNK = 1 << 20
_MAX_MANIFEST = 1 << 20
_MAX_RATIO = 200
_ALWAYS_FINE = 64 << 20
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1 | 0x40
_HAS_DESCRIPTOR = 0x8
_DESCRIPTOR_SIZES = (12, 16, 20, 24)


@dataclass(frozen=True)
class Member:
    """One file of an archive; sizes in bytes, `packed` as it is kept; the CRC-32 is 0 in a directory model."""

    name: str
    size: int
    crc: int
    packed: int
    compression: Literal["stored", "deflated"] = "stored"


@dataclass(frozen=True)
class ModelArchive:
    """A model archive on disk whose structure and manifest were found sound.

    `path` is a `.mar` or a directory, `size` its bytes on disk, `manifest` the parsed MANIFEST.json.
    """

    path: Path
    name: str
    version: str
    size: int
    manifest: dict[str, Any]
    members: tuple[Member, ...]

    @cached_property
    def sha256(self) -> str:
        """The file's digest in hex, computed when asked for; a directory's covers its members' names and bytes."""
        if self.path.is_file():
            return _sha256(self.path)
        lines = (f"{_sha256(self.path / member.name)}  {member.name}\n" for member in self.members)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def read(path: Path, *, verify: bool = True) -> ModelArchive:
    """Read a `.mar` or a directory model.

    Args:
        verify: also check the CRC of every member, which reads the whole file.

    Raises:
        ArchiveError: it is no zip, is truncated or corrupt, its manifest is missing or lacks a field, or an entry
            is one that has no place in an archive: nothing is ever unpacked.
    """
    try:
        return _read_directory(path) if path.is_dir() else _read_file(path, verify)
    except FileNotFoundError as error:
        raise ArchiveError(f"there is no archive {path}", hint=f"mardock archive {_model(path)}") from error
    except PermissionError as error:
        raise permissions.refused(error, kind=ArchiveError) from error
    except UNSOUND as error:
        raise ArchiveError(
            f"{path} is not a model archive: {error}", hint=f"build it again: mardock archive {_model(path)} --force"
        ) from error
    except ArchiveError as error:
        raise ArchiveError(f"{path} is not a model archive: {error.message}", hint=error.hint) from error


def _model(path: Path) -> str:
    """Return the name of the model whose archive a file would be, for a hint."""
    return shlex.quote(path.stem) if path.suffix in ("", ".mar") and not path.name.startswith(".") else "MODEL"


def _read_file(path: Path, verify: bool) -> ModelArchive:
    size = path.stat().st_size
    if size == 0:
        raise ArchiveError("it is empty")
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        check_entries(archive, size)
        members = tuple(_member(entry) for entry in entries if not entry.is_dir())
        manifest = parse(_manifest_text(archive), {member.name for member in members})
        if verify:
            for entry in entries:
                _verify(archive, entry)
    return _archive(path, size, manifest, members)


def _member(entry: zipfile.ZipInfo) -> Member:
    stored = entry.compress_type == zipfile.ZIP_STORED
    kind: Literal["stored", "deflated"] = "stored" if stored else "deflated"
    return Member(entry.filename, entry.file_size, entry.CRC, entry.compress_size, kind)


def _read_directory(path: Path) -> ModelArchive:
    # Workers leave bytecode in the folder they serve from.
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.parent.name != "__pycache__")
    sizes = {file.relative_to(path).as_posix(): file.stat().st_size for file in files}
    members = tuple(Member(name, size, 0, size) for name, size in sizes.items())
    manifest_file = path / MANIFEST_NAME
    if not manifest_file.is_file():
        raise ArchiveError(f"it has no {MANIFEST_NAME}")
    manifest = parse(manifest_file.read_bytes(), {member.name for member in members})
    return _archive(path, sum(member.size for member in members), manifest, members)


def _archive(path: Path, size: int, manifest: dict[str, Any], members: tuple[Member, ...]) -> ModelArchive:
    model = manifest["model"]
    return ModelArchive(path, model["modelName"], model["modelVersion"], size, manifest, members)


def _manifest_text(archive: zipfile.ZipFile) -> bytes:
    try:
        entry = archive.getinfo(MANIFEST_NAME)
    except KeyError:
        raise ArchiveError(f"it has no {MANIFEST_NAME}") from None
    if entry.file_size > _MAX_MANIFEST:
        raise ArchiveError(f"its manifest has {entry.file_size:,} bytes, at most {_MAX_MANIFEST:,} are read")
    return archive.read(entry)


def check_entries(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse a zip of `size` bytes that TorchServe's sequential reader could take otherwise than Python does.

    Raises:
        ArchiveError: an entry is unsafe or listed twice, the whole unpacks to too much, or bytes lie between entries.
    """
    seen = set()
    for entry in archive.infolist():
        fault = _entry_fault(entry) or ("is there twice" if entry.filename in seen else "")
        if fault:
            raise ArchiveError(f"entry {entry.filename!r} {fault}")
        seen.add(entry.filename)
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _ALWAYS_FINE and unpacked > _MAX_RATIO * size:
        raise ArchiveError(f"it unpacks to {unpacked:,} bytes, {unpacked // size} times its size")
    _check_layout(archive)


def _entry_fault(entry: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a symlink" if kind == stat.S_IFLNK else "is neither a file nor a directory"
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is compressed in a way TorchServe cannot read (method {entry.compress_type})"
    return member_fault(entry.orig_filename) or ""


def _check_layout(archive: zipfile.ZipFile) -> None:
    """Entries must follow each other without a gap, where a reader that starts at the front would find others."""
    end = 0
    gaps: tuple[int, ...] = (0,)
    for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        if entry.header_offset - end not in gaps:
            raise ArchiveError(f"bytes of no entry lie before entry {entry.filename!r}, or it overlaps another")
        end = data_offset(archive, entry) + entry.compress_size
        gaps = _DESCRIPTOR_SIZES if entry.flag_bits & _HAS_DESCRIPTOR else (0,)
    if archive.start_dir - end not in gaps:
        raise ArchiveError("bytes of no entry lie before its table of contents")


def data_offset(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Return where in the file an entry's bytes begin, behind its local header."""
    assert archive.fp is not None
    archive.fp.seek(entry.header_offset)
    header = archive.fp.read(_LOCAL_HEADER)
    name_size, extra_size = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return entry.header_offset + _LOCAL_HEADER + name_size + extra_size


def _verify(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    with archive.open(entry) as member:  # raises BadZipFile at the end of a member whose CRC is wrong
        while member.read(_CHUNK):
            pass


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(_CHUNK))
        while True:
            count = file.readinto(buffer)
            if not count:
                return digest.hexdigest()
            digest.update(buffer[:count])
