"""torchserve-deployment.yaml, the YAML of `az ml online-deployment` beside a handler, for the targets that read it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.deploy.base import Site
    from mardock.deploy.experiment import Experiment

FILE = "torchserve-deployment.yaml"


def path(experiment: Experiment) -> Path:
    """Return where an experiment has it, relative to the project's folder."""
    return experiment.folder / FILE


def read(site: Site, experiment: Experiment) -> Mapping[str, Any]:
    """Return what an experiment has in it.

    Raises:
        ConfigError: it is missing or is no YAML mapping.
    """
    import yaml

    file = path(experiment)
    try:
        spec = yaml.safe_load((site.root / file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no {file}",
            hint="write instance_type and instance_count into it, as az ml online-deployment has them",
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {error}", hint=f"mend {file}") from error
    if not isinstance(spec, dict):
        raise ConfigError(f"{file} is no mapping", hint="it holds keys such as instance_type: Standard_DS3_v2")
    return spec


def mapping(spec: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a part of the file, empty when it is left out.

    Raises:
        ConfigError: it is no mapping.
    """
    value = spec.get(key) or {}
    if not isinstance(value, dict):
        raise ConfigError(f"{key} of {FILE} is no mapping", hint=f"write its keys below {key}:")
    return value


def number(given: Mapping[str, Any], key: str, default: int, where: str = "", *, least: int = 0) -> int:
    """Return a whole number.

    Args:
        where: the part of the file that `given` is; empty for the whole of it.

    Raises:
        ConfigError: it is none, or below `least`.
    """
    value = given.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        name = f"{where}.{key}" if where else key
        raise ConfigError(f"{name} of {FILE} is {value!r}", hint=f"write a whole number: {key}: {default}")
    return value
