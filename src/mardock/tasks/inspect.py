"""What an archive tells of itself: what saved its weights, how they were compiled, what it requires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock import text_files
from mardock.archive import checkpoint
from mardock.archive.contents import of_archive
from mardock.archive.read import read

if TYPE_CHECKING:
    from mardock.archive.checkpoint import Checkpoint
    from mardock.archive.contents import Contents
    from mardock.archive.read import ModelArchive
    from mardock.compile.report import CandidateReport, CompileReport

_LONGEST_REPORT = 1 << 20


@dataclass(frozen=True)
class Inspected:
    """An archive, nothing of it unpickled.

    Attributes:
        weights: what saved each checkpoint, by member.
        compiled: the candidate that is its model, and the report that vouches for it; None when it is no such.
        requirements: the lines of its requirements file that ask for something, as somebody else wrote them.
    """

    archive: ModelArchive
    weights: Mapping[str, Checkpoint]
    compiled: Optional[tuple[CandidateReport, CompileReport]]
    requirements: Sequence[str]


def inspect(archive: Path) -> Inspected:
    """Look into a `.mar`, or a folder of the same shape.

    Raises:
        ArchiveError: it is none, or unsound.
    """
    found = read(archive)
    contents = of_archive(archive)
    return Inspected(found, _weights(contents), _compiled(contents), _requirements(contents))


def _weights(contents: Contents) -> dict[str, Checkpoint]:
    found: dict[str, Optional[Checkpoint]] = {}
    for name in contents.members:
        if name.endswith(checkpoint.SUFFIXES):
            with contents.members[name]() as file:
                found[name] = checkpoint.look(file)
    return {name: one for name, one in found.items() if one is not None}


def _compiled(contents: Contents) -> Optional[tuple[CandidateReport, CompileReport]]:
    from mardock.compile.report import parse_report
    from mardock.compile.saving import REPORT_NAME

    model = contents.manifest["model"].get("serializedFile", "")
    if REPORT_NAME not in contents.members:
        return None
    with contents.members[REPORT_NAME]() as file:
        text = file.read(_LONGEST_REPORT)
    try:
        report = parse_report(text)
    except ValueError:  # another file of that name
        return None
    found = next((candidate for candidate in report.candidates if candidate.name == Path(model).stem), None)
    if found is None or found.sha256 != contents.digest(model):
        return None
    return found, report


def _requirements(contents: Contents) -> list[str]:
    name = contents.manifest["model"].get("requirementsFile")
    if not name:
        return []
    lines = text_files.shown(b"".join(contents.chunks(name))).splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
