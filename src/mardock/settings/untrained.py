"""A model whose archive lacks what its training writes: it is to be trained, whatever was asked for."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Optional

from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.archive.spec import ArchiveSpec
    from mardock.settings.schema import ModelSettings


def refuse(name: str, settings: ModelSettings, root: Path) -> None:
    """Refuse a model that was not trained yet.

    Args:
        name: the model's in mardock.toml.
        root: the project's.

    Raises:
        ConfigError: mardock.toml says how to train it, and a file of its archive that training writes is not there.
    """
    missing = _missing(settings, root)
    if missing:
        raise ConfigError(f"{name} is not trained yet: there is no {missing}", hint=f"mardock train {name}")


def _missing(settings: ModelSettings, root: Path) -> Optional[str]:
    if settings.train is None:
        return None
    spec = settings.archive
    packed = [output for output in settings.train.outputs if _takes(spec, PurePath(output))]
    weights = [spec.serialized_file] if spec.serialized_file else []
    return next((path for path in (*weights, *packed) if not (root / path).exists()), None)


def _takes(spec: ArchiveSpec, output: PurePath) -> bool:
    """Say whether a file is named in the archive's table, or one of the folders and patterns there brings it."""
    named = (spec.serialized_file, spec.model_file, spec.config_file, spec.requirements_file, spec.handler_file)
    paths = (PurePath(path) for path in (*named, *spec.code, *spec.extra_files) if path)
    return any(path in (output, *output.parents) or output.match(str(path)) for path in paths)
