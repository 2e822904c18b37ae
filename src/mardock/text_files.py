"""Text as people's editors and shells save it: what encoding it is in, and what mends a file in the wrong one."""

from __future__ import annotations

import codecs
import re
import shlex
from typing import NamedTuple, Optional

BOM = "\ufeff"

# UTF-32's begin with UTF-16's.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")


class Fault(NamedTuple):
    """What is wrong with a file's encoding, and the command that mends it."""

    message: str
    hint: str


def utf8_fault(raw: bytes, name: str, *, mark: bool = True) -> Optional[Fault]:
    """Return what keeps a file from being UTF-8 text; None when it is.

    Args:
        name: what to call it, as a command started beside it would.
        mark: whether it may begin with a byte order mark.
    """
    wide = _marked(raw) or _without_mark(raw)
    if wide == "utf-8" and not mark:
        command = f"sed -i '1s/^\\xEF\\xBB\\xBF//' {shlex.quote(name)}"
        return Fault(f"{name}:1: a byte order mark", f"save the file as UTF-8 without BOM: {command}")
    if wide not in (None, "utf-8"):
        assert wide is not None
        told = f"{wide.upper().replace('LE', '').replace('BE', '')} text, as PowerShell's > writes it"
        return Fault(f"{name}: not UTF-8 but {told}", f"save the file as UTF-8: {_iconv(wide, name)}")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        hint = f"save the file as UTF-8; if it is Latin-1: {_iconv('LATIN1', name)}"
        return Fault(f"{name}:{line}: not UTF-8 text", hint)
    return None


def mark_fault(raw: bytes, name: str) -> Optional[Fault]:
    """Return what is wrong with a file that should begin with plain ASCII: a byte order mark, or UTF-16."""
    return utf8_fault(raw, name, mark=False) if _marked(raw) or _without_mark(raw) else None


def as_pip_reads(raw: bytes) -> str:
    """Return the text of a requirements file: by its mark, a `coding:` comment in its first two lines, else as UTF-8.

    Raises:
        UnicodeDecodeError: it is none, and pip fails on it where the system's own encoding is UTF-8.
    """
    encoding = _marked(raw)
    if encoding is not None:
        return raw.decode(encoding).lstrip(BOM)
    for line in raw.split(b"\n")[:2]:
        found = _CODING.search(line) if line.startswith(b"#") else None
        if found:
            try:
                return raw.decode(found[1].decode("ascii"))
            except LookupError:
                break
    return raw.decode("utf-8")


def shown(raw: bytes) -> str:
    """Return the text of a requirements file, whoever wrote it; what is none becomes replacement characters."""
    try:
        return as_pip_reads(raw)
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


def _marked(raw: bytes) -> Optional[str]:
    return next((encoding for mark, encoding in _MARKS.items() if raw.startswith(mark)), None)


def _without_mark(raw: bytes) -> Optional[str]:
    """Guess at UTF-16 without a mark: every second byte of what is mostly ASCII is a NUL."""
    head = raw[:64]
    if len(head) >= 4 and not any(head[1::2]) and all(head[0::2]):
        return "utf-16le"
    if len(head) >= 4 and not any(head[0::2]) and all(head[1::2]):
        return "utf-16be"
    return None


def _iconv(encoding: str, name: str) -> str:
    file, draft = shlex.quote(name), shlex.quote(f"{name}.utf8")
    return f"iconv -f {encoding.upper()} -t UTF-8 {file} > {draft} && mv {draft} {file}"
