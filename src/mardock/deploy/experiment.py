"""Experiment: a model of mardock.toml with its archive, its deployment spec and the commit they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock.archive.read import ModelArchive, read
from mardock.deploy import provenance
from mardock.deploy.provenance import COMMIT_TAG, DIGEST_TAG, Provenance
from mardock.errors import ConfigError, DeployError

if TYPE_CHECKING:
    from mardock.settings.project import Project
    from mardock.settings.schema import Serving

SPEC = "torchserve-deployment.yaml"


@dataclass(frozen=True)
class Experiment:
    """What is deployed, read once: planning with it needs no further look at the disk.

    Attributes:
        name: the model's name in mardock.toml.
        folder: `torchserve/NAME`, relative to the project's folder.
        spec: the parsed `torchserve-deployment.yaml`, the YAML of `az ml online-deployment`.
        dockerfile: its own Dockerfile, relative to the project's folder; `None` when it has none.
        requirements: its own requirements.txt likewise.
        archive: the `.mar`, whose version is the version deployed.
        serving: how the model is served, for what the spec leaves open.
    """

    name: str
    folder: Path
    spec: Mapping[str, Any]
    dockerfile: Optional[Path]
    requirements: Optional[Path]
    archive: ModelArchive
    serving: Serving
    provenance: Provenance

    @property
    def labels(self) -> dict[str, str]:
        """What the target is to keep beside the archive and the deployment: the commit and the archive's SHA-256."""
        return {COMMIT_TAG: self.provenance.revision, DIGEST_TAG: self.archive.sha256}


def load(project: Project, name: Optional[str], *, version: Optional[str] = None, allow_dirty: bool) -> Experiment:
    """Read an experiment of the project; without a name the only model of mardock.toml.

    Args:
        version: the version to deploy; that of the archive when not given.
        allow_dirty: deploy files that are not those of the commit.

    Raises:
        ConfigError: there is no such model, or its spec is missing or is no YAML mapping.
        ArchiveError: the archive is missing or damaged.
        DeployError: the archive has another version, or the tree is dirty.
    """
    name, model = project.settings.model(name)
    folder = Path("torchserve", name)
    spec = _read_spec(project.root, folder / SPEC)
    archive = read(project.model_store / f"{model.archive.model_name}.mar")
    if version is not None and version != archive.version:
        raise DeployError(
            f"{archive.path.name} has version {archive.version}, not {version}",
            hint=f"mardock archive {name} --version {version}",
        )
    found = provenance.of(project.root)
    if not allow_dirty:
        found.require_clean()
    return Experiment(
        name=name,
        folder=folder,
        spec=spec,
        dockerfile=_optional(project.root, folder / "Dockerfile"),
        requirements=_optional(project.root, folder / "requirements.txt"),
        archive=archive,
        serving=model.serving,
        provenance=found,
    )


def _read_spec(root: Path, path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        spec = yaml.safe_load((root / path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no {path}",
            hint="write instance_type and instance_count into it, as az ml online-deployment has them",
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint=f"mend {path}") from error
    if not isinstance(spec, dict):
        raise ConfigError(f"{path} is no mapping", hint="it holds keys such as instance_type: Standard_DS3_v2")
    return spec


def _optional(root: Path, path: Path) -> Optional[Path]:
    return path if (root / path).is_file() else None
