"""Candidates and their report written beside each other, each as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from mardock.compile.report import CompileReport
from mardock.errors import ArchiveError

REPORT_NAME = "report.json"
_CHUNK = 1 << 20


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def save(report: CompileReport, files: Sequence[Path], folder: Path, root: Path) -> CompileReport:
    """Write these candidates and the report into `folder`, below `root`; candidates saved there earlier are deleted.

    Args:
        files: each named after its candidate.

    Returns:
        the report with the saved files.

    Raises:
        ArchiveError: they cannot be written; what cannot be written as a whole is not there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        saved = {}
        for file in files:
            target = folder / file.name
            _put(target, lambda draft, file=file: shutil.copyfile(file, draft))  # type: ignore[misc]
            saved[file.stem] = (str(target.relative_to(root)), sha256(target))
        report = report.with_files(saved)
        text = json.dumps(report.to_dict(), indent=2) + "\n"
        _put(folder / REPORT_NAME, lambda draft: draft.write_text(text, encoding="utf-8"))
        for old in folder.iterdir():
            if old.is_file() and old.name not in (REPORT_NAME, *(file.name for file in files)):
                old.unlink()
    except OSError as error:
        raise ArchiveError(f"cannot write into {folder}: {error}", hint=f"ls -ld {folder}; df {folder}") from error
    return report


def _put(target: Path, write: Callable[[Path], object]) -> None:
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        write(draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
