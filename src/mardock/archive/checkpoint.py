"""What a file of weights tells of itself without being loaded: nothing is unpickled and torch is not needed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Literal, NamedTuple, Optional

from mardock.archive.read import UNSOUND
from mardock.errors import ArchiveError

UNKNOWN = "unknown"
SUFFIXES = (".pt", ".pth", ".pt2", ".bin", ".ckpt")
_ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled magic number of torch.save before 1.6
_OLDER_EXPORT = (
    "serialized_exported_program.json"  # that of torch 2.1 and later, until it took a folder as the others have
)
_MAX_TEXT = 64 << 20

Form = Literal["pickled", "TorchScript", "torch.export", "legacy"]


class Entry(NamedTuple):
    """A file inside of a checkpoint: its bytes unpacked, and their CRC-32."""

    size: int
    crc: int


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights.

    Attributes:
        form: `pickled` by torch.save as a zip, `TorchScript`, `torch.export`, or `legacy`: torch.save before 1.6.
        format_version: of the file's format, `unknown` for a legacy one.
        torch_version: the torch that saved it. Of the four forms only torch.export writes it down.
        entries: what is inside, without the folder all of it lies in, if any; empty for a legacy one.
    """

    form: Form
    format_version: str = UNKNOWN
    torch_version: str = UNKNOWN
    entries: Mapping[str, Entry] = field(default_factory=dict)


def look(file: IO[bytes]) -> Optional[Checkpoint]:
    """Return what an open, seekable file is, or None when it is no checkpoint of torch.

    Raises:
        ArchiveError: it starts like a zip and is none.
    """
    start = file.read(len(_LEGACY))
    if start == _LEGACY:
        return Checkpoint("legacy")
    if not start.startswith(_ZIP):
        return None
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            return _look_inside(archive)
    except UNSOUND as error:
        raise ArchiveError(f"the weights are a zip that cannot be read: {error}", hint="save them anew") from error


def _look_inside(archive: zipfile.ZipFile) -> Optional[Checkpoint]:
    entries = {entry.filename: entry for entry in archive.infolist()}
    if _OLDER_EXPORT not in entries:
        entries = {name.partition("/")[2]: entry for name, entry in entries.items()}
    program = next((name for name in (_OLDER_EXPORT, "models/model.json") if name in entries), None)
    form: Form
    if program:
        form = "torch.export"
    elif "data.pkl" not in entries:
        return None
    else:
        form = "TorchScript" if "constants.pkl" in entries else "pickled"
    numbered = next((name for name in (".data/version", "version") if name in entries), None)
    return Checkpoint(
        form,
        _text(archive, entries[numbered]).strip() if numbered else UNKNOWN,
        _exported_by(archive, entries[program]) if program else UNKNOWN,
        {name: Entry(entry.file_size, entry.CRC) for name, entry in sorted(entries.items())},
    )


def _exported_by(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    program = json.loads(_text(archive, entry))
    told = program.get("torch_version") if isinstance(program, dict) else None
    return told if isinstance(told, str) else UNKNOWN


def _text(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    if entry.file_size > _MAX_TEXT:
        raise ValueError(f"{entry.filename} has {entry.file_size:,} bytes")
    return archive.read(entry).decode()
