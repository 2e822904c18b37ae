"""`mardock archive`: a model's archive, written into the model store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context, panels
from mardock.cli.candidate_option import NamesCandidate

if TYPE_CHECKING:
    from pathlib import Path

    from mardock.tasks.archive import Preview


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the app."""
    app.command(rich_help_panel=panels.BEFORE_SERVED, cls=NamesCandidate)(archive)
    app.command("mar", rich_help_panel=panels.BEFORE_SERVED, cls=NamesCandidate, help="The same as archive.")(archive)


def archive(
    model: context.ModelArgument = None,
    version: Annotated[Optional[str], typer.Option("--version", help="Instead of mardock.toml's.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is no archive of this model.")] = False,
    compiled: Annotated[
        Optional[str],
        typer.Option(
            "--compiled", metavar="[NAME]", help="Pack what `mardock compile --save` kept: the fastest, or NAME."
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
    name, settings = project.settings.model(model)
    if dry_run:
        _show(task.preview(project, name, version=version, compiled=compiled), project.root, as_json=as_json)
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
    found = done.archive
    if as_json:
        console.data_json(
            {
                "path": str(found.path),
                "name": found.name,
                "version": found.version,
                "sha256": found.sha256,
                "size": found.size,
                "changed": done.changed,
                "sbom": None if done.sbom is None else str(done.sbom),
            }
        )
        return
    shown = str(found.path.relative_to(project.root))
    if done.sbom is not None:
        shown = f"{shown} and {done.sbom.name}"
    console.success(
        f"{'wrote' if done.changed else 'up to date:'} {shown} ({name} {found.version}, {found.size:,} bytes)",
        f"mardock register {name}",
    )


def _show(found: Preview, root: Path, *, as_json: bool) -> None:
    from mardock.cli.show import previewed

    if as_json:
        console.data_json(previewed.to_dict(found, root))
    else:
        previewed.show(found, root)
