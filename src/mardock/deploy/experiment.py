"""Experiment: a model of mardock.toml with its archive, its own files and the commit they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.archive.read import ModelArchive, read
from mardock.deploy import provenance
from mardock.deploy.provenance import COMMIT_TAG, DIGEST_TAG, Provenance
from mardock.errors import ArchiveError, ConfigError, DeployError
from mardock.serving.freshness import outdated

if TYPE_CHECKING:
    from mardock.settings.project import Project
    from mardock.settings.schema import ModelSettings, Serving

_SHOWN = 3


@dataclass(frozen=True)
class ExperimentSource:
    """The part of an experiment that git holds, and that its image is built from.

    Attributes:
        name: the model's name in mardock.toml.
        folder: `torchserve/NAME`, relative to the project's folder.
        dockerfile: its own Dockerfile, relative to the project's folder; `None` when it has none.
        requirements: its own requirements.txt likewise.
    """

    name: str
    folder: Path
    dockerfile: Optional[Path]
    requirements: Optional[Path]
    provenance: Provenance


@dataclass(frozen=True)
class Experiment(ExperimentSource):
    """What is deployed, whatever the target is.

    Attributes:
        archive: the `.mar`, whose version is the version deployed.
        serving: how mardock.toml has the model served.
    """

    archive: ModelArchive
    serving: Serving

    @property
    def labels(self) -> dict[str, str]:
        """What the target is to keep beside the archive and the deployment: the commit and the archive's SHA-256."""
        return {COMMIT_TAG: self.provenance.revision, DIGEST_TAG: self.archive.sha256}


def load_source(project: Project, name: Optional[str], *, allow_dirty: bool) -> ExperimentSource:
    """Read what an experiment's image is built from; its archive need not exist yet.

    Args:
        name: a model of mardock.toml, the only one when not given.
        allow_dirty: take files that are not those of the commit.

    Raises:
        ConfigError: there is no such model.
        DeployError: the tree is dirty, or there is no git repository.
    """
    name, _ = project.settings.model(name)
    folder = Path("torchserve", name)
    found = provenance.of(project.root)
    if not allow_dirty:
        found.require_clean()
    return ExperimentSource(
        name=name,
        folder=folder,
        dockerfile=_optional(project.root, folder / "Dockerfile"),
        requirements=_optional(project.root, folder / "requirements.txt"),
        provenance=found,
    )


def load(project: Project, name: Optional[str], *, version: Optional[str] = None, allow_dirty: bool) -> Experiment:
    """Read an experiment of the project; parameters and errors as in `load_source`, and besides

    Args:
        version: the version to deploy; that of the archive when not given.

    Raises:
        ArchiveError: the archive is missing or damaged.
        DeployError: the archive has another version, or was made of other files than those that are here now.
    """
    name, model = project.settings.model(name)
    archive = read(project.model_store / f"{model.archive.model_name}.mar")
    if version is not None and version != archive.version:
        raise DeployError(
            f"{archive.path.name} has version {archive.version}, not {version}",
            hint=f"mardock archive {name} --version {version}",
        )
    source = load_source(project, name, allow_dirty=allow_dirty)
    stale = _outdated(model, project.root, archive, allow_dirty=allow_dirty)
    if stale and not allow_dirty:
        raise _stale(name, model, archive, stale)
    found = source.provenance.with_changed(stale)
    return Experiment(**{**vars(source), "provenance": found}, archive=archive, serving=model.serving)


def _outdated(model: ModelSettings, root: Path, archive: ModelArchive, *, allow_dirty: bool) -> tuple[str, ...]:
    """Return what of an archive is not of the project's files: all of it, where these are missing and may be."""
    try:
        return outdated(model.archive, root, archive)
    except (ConfigError, ArchiveError):
        if not allow_dirty:
            raise
        return (archive.path.name,)


def _stale(name: str, model: ModelSettings, archive: ModelArchive, stale: tuple[str, ...]) -> DeployError:
    version = "" if archive.version == model.archive.version else f" --version {archive.version}"
    return DeployError(
        f"{archive.path.name} was made of other files than those here now: {', '.join(stale[:_SHOWN])}"
        + (f" and {len(stale) - _SHOWN} more" if len(stale) > _SHOWN else ""),
        hint=f"mardock archive {name}{version}, or --allow-dirty",
    )


def _optional(root: Path, path: Path) -> Optional[Path]:
    return path if (root / path).is_file() else None
