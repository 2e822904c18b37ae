"""How a model is served in the end: what mardock.toml says, and what its model-config.yaml says instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mardock.archive.model_config import line_of, parse
from mardock.errors import ConfigError
from mardock.settings.lines import Lines
from mardock.settings.root import PROJECT_FILE
from mardock.settings.schema import ModelSettings, Serving

KEYS = {
    "initial_workers": "minWorkers",
    "batch_size": "batchSize",
    "max_batch_delay": "maxBatchDelay",
    "response_timeout": "responseTimeout",
    "startup_timeout": "startupTimeout",
    "threads_per_worker": "threadsPerWorker",
}
"""What each field of `Serving` is called in model-config.yaml."""


def as_served(settings: ModelSettings, root: Path) -> Serving:
    """Return how a project's model is served.

    Raises:
        ArchiveError: its model-config.yaml is unfit.
    """
    return overridden(settings.serving, model_config_of(settings, root))


def model_config_of(settings: ModelSettings, root: Path) -> Mapping[str, Any]:
    """Return what a project's own model-config.yaml says of a model, nothing when it has none.

    Raises:
        ConfigError: it cannot be read.
        ArchiveError: it is unfit.
    """
    spec = settings.archive
    if spec.config_file is None:
        return {}
    return parse(_text(root, spec.config_file), spec.config_file, spec.model_name)


@dataclass(frozen=True)
class Conflict:
    """A setting both files have, and differently; each as `file:line says value`."""

    setting: str
    wins: str
    loses: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.loses}, but {self.wins}, which wins"


def conflicts(settings: ModelSettings, root: Path, name: str) -> list[Conflict]:
    """Return what mardock.toml says of a model and its model-config.yaml says otherwise; raises like `as_served`.

    Args:
        name: the model's in mardock.toml.
    """
    config, file = model_config_of(settings, root), settings.archive.config_file
    if file is None:
        return []
    told, text = Lines.of(root / PROJECT_FILE), _text(root, file)
    found = []
    for setting, key in KEYS.items():
        line, said = told.setting(("models", name, "serving", setting)), getattr(settings.serving, setting)
        if line and key in config and config[key] != said:
            wins = f"{file}:{line_of(text, key) or 1} says {key}: {config[key]}"
            found.append(Conflict(setting, wins, f"{PROJECT_FILE}:{line} says {said}"))
    return found


def _text(root: Path, file: str) -> bytes:
    try:
        return (root / file).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}: {error.strerror}", hint=f"correct config_file in {PROJECT_FILE}"
        ) from error


def overridden(serving: Serving, config: Mapping[str, Any]) -> Serving:
    """Let model-config.yaml win: TorchServe would take its workers and timeouts, but the batch of the request."""
    return Serving(**{setting: config.get(key, getattr(serving, setting)) for setting, key in KEYS.items()})
