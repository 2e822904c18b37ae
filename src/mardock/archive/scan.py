"""What the pickles of an archive would import: an allow-list, since lists of forbidden names keep being outrun."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from mardock.archive.read import UNSOUND, check_entries, read
from mardock.archive.weights_only import ALLOWED
from mardock.errors import ArchiveError

_SCRIPTED = ("__torch__.", "torch.jit._pickle.")
_ZIP = b"PK\x03\x04"
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib")
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PICKLES = 5


@dataclass(frozen=True)
class Finding:
    """A pickle that reaches beyond the allow-list: `member` is its path inside the archive, `name` what it imports."""

    member: str
    name: str


@dataclass(frozen=True)
class ScanReport:
    """`findings` must be empty for the weights to be trusted; `code` are the members that run as they are."""

    findings: tuple[Finding, ...]
    code: tuple[str, ...]


def scan(path: Path) -> ScanReport:
    """Look into every pickle of a `.mar`, also those inside `.pt` files; nothing is unpickled.

    TorchScript is accepted: what its pickles name lives in torch's interpreter, not in Python.

    Raises:
        ArchiveError: the archive, or a zip inside it, is unsound; see `mardock.archive.read.read`.
    """
    archive = read(path)
    if path.is_dir():
        raise ArchiveError(f"{path} is a directory, only a .mar is scanned", hint="mardock archive MODEL")
    try:
        with zipfile.ZipFile(path) as mar:
            findings = tuple(finding for member in archive.members for finding in _scan_member(mar, member.name))
    except UNSOUND as error:
        raise ArchiveError(
            f"{path} holds a file that cannot be scanned: {error}", hint="save the weights anew"
        ) from error
    return ScanReport(findings, tuple(member.name for member in archive.members if member.name.endswith(".py")))


def _scan_member(mar: zipfile.ZipFile, name: str) -> Iterator[Finding]:
    with mar.open(name) as file:
        start = file.read(4)
        file.seek(0)
        if start == _ZIP:
            with zipfile.ZipFile(file) as weights:
                yield from _scan_weights(weights, mar.getinfo(name).file_size, name)
        elif _PICKLE.match(start) or name.endswith(_PICKLE_SUFFIXES):
            yield from (Finding(name, unsafe) for unsafe in _unsafe_names(file, _is_allowed))


def _scan_weights(weights: zipfile.ZipFile, size: int, name: str) -> Iterator[Finding]:
    """Look into a zip as torch does: only `*.pkl` is unpickled, the rest are storages and TorchScript's code."""
    check_entries(weights, size)
    names = weights.namelist()
    scripted = any(inner.endswith("/constants.pkl") for inner in names)
    allowed = _is_allowed_in_torchscript if scripted else _is_allowed
    for inner in names:
        if inner.endswith(".pkl"):
            with weights.open(inner) as file:
                yield from (Finding(f"{name}/{inner}", unsafe) for unsafe in _unsafe_names(file, allowed))


def _is_allowed(name: str) -> bool:
    return name in ALLOWED


def _is_allowed_in_torchscript(name: str) -> bool:
    return name in ALLOWED or name.startswith(_SCRIPTED)


def _unsafe_names(file: IO[bytes], allowed: Callable[[str], bool]) -> Iterator[str]:
    """The names outside of the allow-list in all pickles that follow each other in `file`; unreadable ones count."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    pickles, legacy = 0, False
    try:
        while file.tell() < size and not (legacy and pickles == _LEGACY_PICKLES):
            operations = [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(file)]
            legacy = legacy or (pickles == 0 and ("LONG1", _LEGACY_MAGIC) in operations)
            yield from (name for name in _imported_names(operations) if not allowed(name))
            pickles += 1
    except ValueError as error:
        yield f"unreadable pickle: {error}"


def _imported_names(operations: list[tuple[str, Any]]) -> Iterator[str]:
    """Every `module.name` a pickle imports; one that cannot be told from its operations is `?`.

    STACK_GLOBAL takes its names from the stack. They are known only where both were pushed, or fetched from the memo,
    right before it; anything cleverer hides something.
    """
    memo: dict[int, Optional[str]] = {}
    pushed: list[Optional[str]] = []
    for operation, argument in operations:
        if operation in ("GLOBAL", "INST"):
            yield _as_python_3(*argument.split(" ", 1))
        elif operation == "STACK_GLOBAL":
            yield _as_python_3(pushed[-2], pushed[-1]) if len(pushed) > 1 and all(pushed[-2:]) else "?"
        elif operation.startswith("EXT"):
            yield f"copyreg extension {argument}"
        if operation in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if operation == "MEMOIZE" else int(argument)] = pushed[-1] if pushed else None
        elif operation in ("GET", "BINGET", "LONG_BINGET"):
            pushed.append(memo.get(int(argument)))
        elif operation.endswith("UNICODE") or operation == "BINUNICODE8":
            pushed.append(argument)
        else:
            pushed.clear()


def _as_python_3(module: Optional[str], name: Optional[str]) -> str:
    return f"{'builtins' if module == '__builtin__' else module}.{name}"
