"""What an archive holds and says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mardock.cli import console
from mardock.cli.console import printable

if TYPE_CHECKING:
    from mardock.archive.checkpoint import Checkpoint
    from mardock.compile.report import CandidateReport, CompileReport
    from mardock.tasks.inspect import Inspected


def to_dict(found: Inspected) -> dict[str, Any]:
    """Return what `inspect --json` prints."""
    names = ("name", "size", "packed", "compression")
    return {
        "name": found.archive.name,
        "version": found.archive.version,
        "sha256": found.archive.sha256,
        "manifest": found.archive.manifest,
        "members": [{name: getattr(member, name) for name in names} for member in found.archive.members],
        "weights": [{"name": name, **_told(one)} for name, one in found.weights.items()],
        "compiled": found.compiled and _compiled(*found.compiled),
        "requirements": [printable(line) for line in found.requirements],
    }


def show(found: Inspected) -> None:
    """Print it, and a row per member."""
    archive = found.archive
    console.data(f"{archive.name} {archive.version}  sha256 {archive.sha256}")
    for key, value in archive.manifest["model"].items():
        console.data(f"  {key}: {value}")
    for name, one in found.weights.items():
        told = f"format version {one.format_version}, {len(one.entries)} entries, saved by torch {one.torch_version}"
        console.data(f"  {name}: {one.form}, {told}")
    if found.compiled:
        console.data(f"  compiled: {printable(_verdict(_compiled(*found.compiled)))}")
    for line in found.requirements:
        console.data(f"  requires {printable(line)}")
    console.data("")
    rows = [(one.name, f"{one.size:,}", f"{one.packed:,}", one.compression) for one in archive.members]
    console.table(("MEMBER", "BYTES", "PACKED", "COMPRESSION"), rows)


def _told(one: Checkpoint) -> dict[str, Any]:
    return {
        "form": one.form,
        "format_version": one.format_version,
        "torch_version": one.torch_version,
        "entries": {name: entry.size for name, entry in one.entries.items()},
    }


def _compiled(found: CandidateReport, report: CompileReport) -> dict[str, Any]:
    """Return what a report says of the candidate that is an archive's model."""
    return {
        "candidate": found.name,
        "status": found.status,
        "gain": found.gain,
        "beyond_noise": found.beyond_noise,
        "threads": report.threads,
        "torch": report.torch,
        "machine": report.machine,
    }


def _verdict(compiled: dict[str, Any]) -> str:
    gain = compiled["gain"]
    faster = ""
    if isinstance(gain, float):
        is_real = compiled["beyond_noise"] or gain < 0
        faster = f", {gain:+.0%} calls per second" if is_real else ", no gain beyond noise"
    made = "torch {torch}, {machine}, threads: {threads}".format(**compiled)
    return f"{compiled['candidate']}, {compiled['status']}{faster}; {made}"
