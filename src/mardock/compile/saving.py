"""Candidates and their report written beside each other, all of them or none."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from mardock import own_folders
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
        ArchiveError: they cannot be written; what was saved before is still there then.
    """
    drafts = folder / ".drafts"
    try:
        shutil.rmtree(drafts, ignore_errors=True)  # of a run that was killed
        own_folders.make(drafts)
        report = report.with_files(
            {file.stem: (str((folder / file.name).relative_to(root)), sha256(file)) for file in files}
        )
        for file in files:
            shutil.copyfile(file, drafts / file.name)
        (drafts / REPORT_NAME).write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
        names = [*(file.name for file in files), REPORT_NAME]  # the report last: it vouches for the others
        for name in names:
            (drafts / name).replace(folder / name)
        for old in folder.iterdir():
            if old.is_file() and old.name not in names:
                old.unlink()
    except OSError as error:
        raise ArchiveError(
            f"cannot write into {folder}: {error.strerror or error}", hint=f"ls -ld {folder}; df {folder}"
        ) from error
    finally:
        shutil.rmtree(drafts, ignore_errors=True)
    return report
