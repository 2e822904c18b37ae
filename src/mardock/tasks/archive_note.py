"""What the project says of a model and what is registered does not: it is registered as it was archived."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mardock.archive.read import read
from mardock.errors import ArchiveError, ConfigError
from mardock.serving.freshness import outdated
from mardock.serving.servable import served_from
from mardock.settings.as_served import KEYS, as_served, conflicts
from mardock.settings.lines import Lines
from mardock.settings.root import PROJECT_FILE

if TYPE_CHECKING:
    from mardock.archive.read import ModelArchive
    from mardock.settings.project import Project

_SHOWN = 3
_TIMEOUTS = ("response_timeout", "startup_timeout")
_UNFIT = (ConfigError, ArchiveError, OSError)
"""What is wrong with the project's files is told by what archives them."""


def conflicting(project: Project, name: str) -> list[str]:
    """Return what mardock.toml and the model's model-config.yaml say differently, with the lines of both."""
    with suppress(*_UNFIT):
        found = conflicts(project.settings.models[name], project.root, name)
        return [f"{name}: {conflict}" for conflict in found]
    return []


def outdated_notes(project: Project, name: str, path: Path) -> list[str]:
    """Return what the model's own archive, or the folder it is served from unpacked, has otherwise than the project.

    Args:
        name: the model's in mardock.toml.
    """
    with suppress(*_UNFIT):
        archive = read(path, verify=False)
        found = list(_differences(project, name, archive))
        if found:
            again = f"mardock register {name} --unpacked --replace" if path.is_dir() else f"mardock archive {name}"
            return [f"{name}: {path.name} is registered as it is, and {'; '.join(found)}; to change that: {again}"]
    return []


def lost_timeouts(project: Project, name: str, path: Path) -> list[str]:
    """Return the time-outs of mardock.toml that TorchServe does not take for an archive that is not the model's own."""
    found = []
    with suppress(*_UNFIT):
        asked = project.settings.models[name].serving
        served = served_from(read(path, verify=False), asked)
        lines = Lines.of(project.root / PROJECT_FILE)
        for setting in _TIMEOUTS:
            wants, has = getattr(asked, setting), getattr(served, setting)
            line = lines.setting(("models", name, "serving", setting))
            if wants != has and line:
                found.append(
                    f"{name}: {PROJECT_FILE}:{line} says {setting} {wants}, and TorchServe takes the {has} of the"
                    f" model-config.yaml in {path.name}: write {KEYS[setting]}: {wants} there"
                )
    return found


def _differences(project: Project, name: str, archive: ModelArchive) -> Iterator[str]:
    spec = project.settings.models[name].archive
    if archive.version != spec.version:
        line = Lines.of(project.root / PROJECT_FILE).nearest(("models", name, "archive", "version"))
        yield f"{PROJECT_FILE}:{line} says version {spec.version}, not {archive.version}"
    with suppress(*_UNFIT):
        has = served_from(archive, project.settings.models[name].serving)
        wants = as_served(project.settings.models[name], project.root)
        for setting in _TIMEOUTS:
            if getattr(has, setting) != getattr(wants, setting):
                yield f"its {setting} is {getattr(has, setting)}, and {getattr(wants, setting)} is wanted"
    with suppress(*_UNFIT):
        changed = outdated(spec, project.root, archive, touched_only=True)
        if changed:
            more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
            yield f"the project has {'another' if len(changed) == 1 else 'other'} {', '.join(changed[:_SHOWN])}{more}"
