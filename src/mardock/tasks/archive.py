"""Archive a model of the project: its own files, or a compiled candidate in their place."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from mardock import own_folders, permissions
from mardock.errors import ArchiveError, MardockError
from mardock.listener import SILENT, Listener
from mardock.settings import untrained

if TYPE_CHECKING:
    from mardock.archive.members import Ignored, SourceFile
    from mardock.archive.read import ModelArchive
    from mardock.archive.spec import ArchiveSpec
    from mardock.engines.base import Engine
    from mardock.settings.project import Project


@dataclass(frozen=True)
class Archived:
    """What is in the model store now.

    Attributes:
        changed: False when the same bytes were there already, untouched now.
        sbom: its bill of materials; None unless it was asked for.
    """

    archive: ModelArchive
    changed: bool
    sbom: Optional[Path] = None


@dataclass(frozen=True)
class Preview:
    """What an archive would hold, and what would be left out of it.

    Attributes:
        members: each file, but for the manifest, which is made.
    """

    spec: ArchiveSpec
    members: tuple[SourceFile, ...]
    ignored: tuple[Ignored, ...]


def preview(project: Project, name: str, *, version: Optional[str] = None, compiled: Optional[str] = None) -> Preview:
    """Say what `archive` would put into a model's archive, for the same arguments; raises ConfigError like it."""
    spec = _spec(project, name, version, compiled)
    return Preview(spec, *spec.look(project.root))


def is_made_here(project: Project, name: str, engine: Engine) -> bool:
    """Say whether `archive` is called right here: torch is, or the dev container has not all of the model's files."""
    return engine.torch_is_here or not engine.exec_sees(project.settings.models[name].archive.beyond(project.root))


def archive(
    project: Project,
    name: str,
    *,
    version: Optional[str] = None,
    force: bool = False,
    compiled: Optional[str] = None,
    sbom: bool = False,
    imports: bool = True,
    listener: Listener = SILENT,
) -> Archived:
    """Write a model's archive into the model store; its imports are looked for in the Python that serves it.

    Args:
        name: the model's in mardock.toml.
        version: instead of mardock.toml's.
        force: replace a file that is no archive of this model.
        compiled: the saved candidate to pack instead of the model itself; `WINNER` for the fastest.
        sbom: also write its bill of materials, beside it.
        imports: check what its code imports, for which this Python has to be one with its packages; that it is left
            out is told.

    Raises:
        ConfigError: it was not trained yet, or files are missing; see `ArchiveSpec.resolve` and `compiled.spec_of`.
        ArchiveError: see `archive.build.build`; or what a bill of materials takes is not installed.
    """
    from mardock.archive.build import build
    from mardock.engines.native.python import python_of
    from mardock.tasks import archive_note
    from mardock.tasks import sbom as sboms

    if sbom:
        sboms.check_extra()  # before any work is done
    spec, python = _spec(project, name, version, compiled), python_of(project)
    for note in archive_note.conflicting(project, name):
        listener.warn(note)
    _make_store(project.model_store)
    result = build(
        spec, project.root, project.model_store, python=python, force=force, imports=imports, listener=listener
    )
    if not imports:
        listener.note(
            f"{name}: packed outside of the dev container, which does not see all its files; imports not checked"
        )
    return Archived(result.archive, result.changed, sboms.write(result.archive.path, python) if sbom else None)


def _make_store(store: Path) -> None:
    try:
        own_folders.make(store)
    except FileExistsError as error:
        hint = f"move it away: {shlex.join(['mv', str(store), f'{store}.old'])}"
        raise ArchiveError(f"{store} is not a folder", hint=hint) from error
    except PermissionError as error:
        raise permissions.refused(error, kind=ArchiveError) from error
    except OSError as error:
        raise ArchiveError(
            f"cannot make {store}: {error.strerror}", hint=f"ls -ld {shlex.quote(str(store.parent))}"
        ) from error


def every(
    project: Project, *, force: bool = False, sbom: bool = False, listener: Listener = SILENT
) -> dict[str, Union[Archived, MardockError]]:
    """Archive all models of mardock.toml, and return what became of each by its name: no failure stops another.

    Args:
        force, sbom: see `archive`.
    """
    done: dict[str, Union[Archived, MardockError]] = {}
    for name in project.settings.models:
        try:
            done[name] = archive(project, name, force=force, sbom=sbom, listener=listener)
        except MardockError as error:
            done[name] = error
    return done


def _spec(project: Project, name: str, version: Optional[str], compiled: Optional[str]) -> ArchiveSpec:
    settings = project.settings.models[name]
    spec = settings.archive
    untrained.refuse(name, settings, project.root)
    if compiled is not None:
        from mardock.tasks.compiled import spec_of

        spec = spec_of(project, name, compiled)
    return spec if version is None else dataclasses.replace(spec, version=version)
