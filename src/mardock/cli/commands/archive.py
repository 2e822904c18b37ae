"""`mardock archive`: a model's archive, written into the model store."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.cli import console, context, panels, sboms
from mardock.cli.candidate_option import NamesCandidate
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.archive.build import ArchiveResult
    from mardock.settings.project import Project


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
    as_json: context.Json = False,
    engine: context.EngineOption = None,
) -> None:
    """Write a model's archive (.mar) into the model store; under Docker, inside the dev container."""
    project = context.project(engine=engine)
    name, settings = project.settings.model(model)
    context.forward_to_torch(project, writes=[project.model_store / f"{settings.archive.model_name}.mar"])
    if sbom:
        sboms.needs_extra()
    result = build(project, name, version=version, force=force, compiled=compiled)
    listed = sboms.write(result.archive.path) if sbom else None
    if as_json:
        found = result.archive
        console.data_json(
            {
                "path": str(found.path),
                "name": found.name,
                "version": found.version,
                "sha256": found.sha256,
                "size": found.size,
                "changed": result.changed,
                "sbom": None if listed is None else str(listed),
            }
        )
        return
    verb = "wrote" if result.changed else "up to date:"
    shown = str(result.archive.path.relative_to(project.root))
    if listed is not None:
        shown = f"{shown} and {listed.name}"
    console.success(
        f"{verb} {shown} ({name} {result.archive.version}, {result.archive.size:,} bytes)", f"mardock register {name}"
    )


def build(
    project: Project,
    model: str,
    *,
    version: Optional[str] = None,
    force: bool = False,
    compiled: Optional[str] = None,
) -> ArchiveResult:
    """Archive one model of the project here and now.

    Args:
        compiled: the saved candidate to pack instead of the model itself.

    Raises:
        ConfigError: it has not been trained yet, or files are missing; see `ArchiveSpec.resolve` and `spec_of`.
    """
    from mardock.archive.build import build as build_archive

    settings = project.settings.models[model]
    spec = settings.archive
    if settings.train and not (project.root / (spec.serialized_file or "")).exists():
        raise ConfigError(
            f"{model} has no weights yet: there is no {spec.serialized_file}", hint=f"mardock train {model}"
        )
    if compiled is not None:
        from mardock.cli.compiled import spec_of

        spec = spec_of(project, model, compiled)
    if version is not None:
        spec = dataclasses.replace(spec, version=version)
    return build_archive(spec, project.root, project.model_store, force=force, listener=console)
