"""The commands that look into archives: inspect, diff."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mardock.cli import console, context, panels
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.archive.checkpoint import Checkpoint
    from mardock.archive.contents import Contents
    from mardock.archive.diff import Change, Difference
    from mardock.compile.report import CandidateReport, CompileReport
    from mardock.tasks.inspect import Inspected

DIFFERS = 7
"""The exit code of `diff --exit-code` when there is a difference; 1 is kept for bugs, and those up to 6 for errors."""

_SHOWN = 20


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    app.command(rich_help_panel=panels.BEFORE_SERVED)(inspect)
    app.command(rich_help_panel=panels.BEFORE_SERVED)(diff)


def inspect(
    archive: Annotated[Path, typer.Argument(help="A .mar, or a folder of the same shape.")],
    sbom: Annotated[bool, typer.Option("--sbom", help="Print its bill of materials as CycloneDX JSON.")] = False,
    as_json: context.Json = False,
) -> None:
    """Show an archive's manifest, members, requirements, what saved its weights and how they were compiled."""
    from mardock.tasks import inspect as job
    from mardock.tasks import sbom as sboms

    if sbom:
        console.data(sboms.text(archive).rstrip())
        return
    found = job.inspect(archive)
    if as_json:
        console.data_json(_to_dict(found))
    else:
        _show_archive(found)


def diff(
    before: Annotated[str, typer.Argument(help="An archive, a folder of the same shape, or a model of mardock.toml.")],
    after: Annotated[str, typer.Argument(help="Another one; a model stands for the project's files as they are.")],
    exit_code: Annotated[bool, typer.Option("--exit-code", help=f"End with {DIFFERS} if they differ.")] = False,
    as_json: context.Json = False,
) -> None:
    """Show what differs between two archives, or an archive and the project's files."""
    from mardock.archive.diff import compare

    found = compare(_contents(before), _contents(after))
    if as_json:
        console.data_json({"same": not found, **dataclasses.asdict(found)})
    else:
        _show(found)
    if found and exit_code:
        raise typer.Exit(DIFFERS)


def _contents(given: str) -> Contents:
    """Return what an argument stands for; a path wins over a model of the same name."""
    from mardock.archive import contents

    path = Path(given)
    if path.exists() or path.suffix == ".mar":
        return contents.of_archive(path)
    try:
        project = context.project()
        _, settings = project.settings.model(given)
    except ConfigError as error:
        raise ConfigError(f"{given} is neither an archive nor a model: {error.message}", hint=error.hint) from error
    return contents.of_project(settings.archive, project.root)


def _to_dict(found: Inspected) -> dict[str, Any]:
    names = ("name", "size", "packed", "compression")
    return {
        "name": found.archive.name,
        "version": found.archive.version,
        "sha256": found.archive.sha256,
        "manifest": found.archive.manifest,
        "members": [{name: getattr(member, name) for name in names} for member in found.archive.members],
        "weights": [{"name": name, **_told(one)} for name, one in found.weights.items()],
        "compiled": found.compiled and _compiled(*found.compiled),
        "requirements": [_printable(line) for line in found.requirements],
    }


def _show_archive(found: Inspected) -> None:
    archive = found.archive
    console.data(f"{archive.name} {archive.version}  sha256 {archive.sha256}")
    for key, value in archive.manifest["model"].items():
        console.data(f"  {key}: {value}")
    for name, one in found.weights.items():
        told = f"format version {one.format_version}, {len(one.entries)} entries, saved by torch {one.torch_version}"
        console.data(f"  {name}: {one.form}, {told}")
    if found.compiled:
        console.data(f"  compiled: {_printable(_verdict(_compiled(*found.compiled)))}")
    for line in found.requirements:
        console.data(f"  requires {_printable(line)}")
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


def _show(found: Difference) -> None:
    if not found:
        console.data("no difference")
    for name, (old, new) in found.manifest.items():
        console.data(f"manifest {name}: {_value(old)} -> {_value(new)}")
    for name in found.removed:
        console.data(f"removed  {name}")
    for name in found.added:
        console.data(f"added    {name}")
    for change in found.changed:
        _show_change(change)


def _show_change(change: Change) -> None:
    console.data(f"changed  {change.name}")
    for entry in change.entries[:_SHOWN]:
        console.data(f"  {entry}")
    if len(change.entries) > _SHOWN:
        console.data(f"  and {len(change.entries) - _SHOWN} more")
    for line in change.lines:
        console.data(_coloured(_printable(line)))


def _value(value: object) -> str:
    return "none" if value is None else _printable(str(value))


def _coloured(line: str) -> str:
    """Colour a line of a unified diff where a person reads it."""
    if not sys.stdout.isatty():
        return line
    from rich.console import Console
    from rich.text import Text

    style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
    text = io.StringIO()
    # Only the style is taken from it: NO_COLOR and TERM=dumb are honoured there.
    Console(file=text, force_terminal=True, highlight=False).print(Text(line, style), soft_wrap=True, end="")
    return text.getvalue()


def _printable(text: str) -> str:
    """Spell out the control characters of a stranger's text, which could drive the terminal."""
    return "".join(each if each.isprintable() or each == "\t" else f"\\x{ord(each):02x}" for each in text)
