"""Which deploy targets there are: one line each, and a folder that is imported when the target is used."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.deploy.base import DeployTarget

MODULES = {
    "azureml": "mardock.deploy.azureml",
    "tir": "mardock.deploy.tir",
}
"""Where each target is, by what it is called on the command line and in the `[deploy.*]` tables."""


def load(name: str) -> DeployTarget:
    """Import a target's module; what it needs of its extra is imported when it is first used.

    Raises:
        ConfigError: there is no such target.
    """
    if name not in MODULES:
        raise ConfigError(f"there is no deploy target {name!r}", hint=f"--target {either(MODULES)}")
    return cast("DeployTarget", importlib.import_module(MODULES[name]))


def having(capability: type) -> list[str]:
    """Return the names of the targets with a capability, one of `capabilities`; imports them all."""
    return [name for name in MODULES if isinstance(load(name), capability)]


def either(names: Collection[str]) -> str:
    """Return names in words: `one`, `one or two`, `one, two or three`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
