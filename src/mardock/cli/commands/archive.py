"""`mardock archive`: a model's archive, written into the model store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Optional, Union

import typer

from mardock.cli import completion, console, context, panels
from mardock.cli.candidate_option import NamesCandidate
from mardock.errors import ConfigError, MardockError, SeveralFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from mardock.settings.project import Project
    from mardock.tasks.archive import Archived, Preview


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    app.command(rich_help_panel=panels.BEFORE_SERVED, cls=NamesCandidate)(archive)
    app.command("mar", rich_help_panel=panels.BEFORE_SERVED, cls=NamesCandidate, help="The same as archive.")(archive)


def archive(
    model: context.ModelArgument = None,
    every: Annotated[
        bool, typer.Option("--all", help="All models of mardock.toml; one failure does not stop the rest.")
    ] = False,
    version: Annotated[Optional[str], typer.Option("--version", help="Instead of mardock.toml's.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is no archive of this model.")] = False,
    compiled: Annotated[
        Optional[str],
        typer.Option(
            "--compiled",
            metavar="[NAME]",
            help="Pack what `mardock compile --save` kept: the fastest, or NAME.",
            autocompletion=completion.candidates,
        ),
    ] = None,
    sbom: Annotated[
        bool, typer.Option("--sbom", help="Also write what is in it beside it, as CycloneDX JSON (MODEL.cdx.json).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing: show what goes in, and what is ignored by which pattern.")
    ] = False,
    as_json: context.Json = False,
    engine: context.EngineOption = None,
) -> None:
    """Write a model's archive (.mar) into the model store; under Docker, inside the dev container."""
    from mardock.tasks import archive as task

    project = context.project(engine=engine)
    if every:
        if model or version or compiled or dry_run:
            raise ConfigError("--all takes no MODEL, --version, --compiled or --dry-run", hint="mardock archive --all")
        archives = {f"{settings.archive.model_name}.mar" for settings in project.settings.models.values()}
        context.forward_to_torch(project, writes=[project.model_store / name for name in sorted(archives)])
        _show_all(project, task.every(project, force=force, sbom=sbom, listener=console), as_json=as_json)
        return
    name, settings = project.settings.model(model)
    if dry_run:
        _show_preview(task.preview(project, name, version=version, compiled=compiled), project.root, as_json=as_json)
        return
    # What the dev container has not of the files outside of the project is packed here; no code of the model is run.
    torch_is_here = context.forward_to_torch(
        project,
        writes=[project.model_store / f"{settings.archive.model_name}.mar"],
        reads=settings.archive.beyond(project.root),
    )
    done = task.archive(
        project,
        name,
        version=version,
        force=force,
        compiled=compiled,
        sbom=sbom,
        imports=torch_is_here,
        listener=console,
    )
    if as_json:
        console.data_json(_as_json(done))
    else:
        _show(project, name, done)


def _show_all(project: Project, done: Mapping[str, Union[Archived, MardockError]], *, as_json: bool) -> None:
    failures = {name: one for name, one in done.items() if isinstance(one, MardockError)}
    archived = {name: one for name, one in done.items() if not isinstance(one, MardockError)}
    if as_json:
        console.data_json([_as_json(one) for one in archived.values()])
    for name, one in archived.items() if not as_json else ():
        _show(project, name, one)
    for failure in failures.values():
        console.error(failure)
    if failures:
        raise SeveralFailedError(failures, of=len(done), again="mardock archive")


def _as_json(done: Archived) -> dict[str, Any]:
    found = done.archive
    return {
        "path": str(found.path),
        "name": found.name,
        "version": found.version,
        "sha256": found.sha256,
        "size": found.size,
        "changed": done.changed,
        "sbom": None if done.sbom is None else str(done.sbom),
    }


def _show(project: Project, name: str, done: Archived) -> None:
    found = done.archive
    shown = str(found.path.relative_to(project.root))
    if done.sbom is not None:
        shown = f"{shown} and {done.sbom.name}"
    console.success(
        f"{'wrote' if done.changed else 'up to date:'} {shown} ({name} {found.version}, {found.size:,} bytes)",
        f"mardock register {name}",
    )


def _show_preview(found: Preview, root: Path, *, as_json: bool) -> None:
    from mardock.cli.show import previewed

    if as_json:
        console.data_json(previewed.to_dict(found, root))
    else:
        previewed.show(found, root)
