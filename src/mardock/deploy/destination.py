"""Destination: one deploy target as one project uses it, and which one a command means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Optional, TypeVar

from mardock.deploy import targets
from mardock.deploy.base import DeployTarget, Site
from mardock.deploy.capabilities import DOING, HasEndpoints
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from mardock.settings.project import Project

_T = TypeVar("_T")


@dataclass(frozen=True)
class Destination(Generic[_T]):
    """Where a project deploys to: a target by what it can do, its name, and the project's settings of it."""

    name: str
    target: _T
    site: Site

    @property
    def options(self) -> str:
        """The options that name a deployment there, for a hint."""
        behind = " --deployment NAME" if isinstance(self.target, HasEndpoints) else ""
        return f"--target {self.name} --endpoint NAME{behind}"


def choose(project: Project, given: Optional[str]) -> Destination[DeployTarget]:
    """Return the destination that is meant.

    Args:
        given: the target's name; when not given, the only one that mardock.toml has a table for.

    Raises:
        ConfigError: there is no such target, its settings are no table, or several could be meant.
    """
    return _open(project, given if given is not None else _only(project, targets.MODULES))


def able(project: Project, given: Optional[str], capability: type[_T]) -> Destination[_T]:
    """Return the destination that is meant for what needs a capability.

    Args:
        given: as in `choose`; where mardock.toml leaves it open as well, the only target with the capability.

    Raises:
        ConfigError: as `choose`, or it has not the capability; with the names of those that have.
    """
    found = _open(
        project, given if given is not None else _only(project, targets.having(capability) or targets.MODULES)
    )
    if isinstance(found.target, capability):
        return Destination(found.name, found.target, found.site)
    others = targets.having(capability)
    raise ConfigError(
        f"{found.name} cannot {DOING[capability]}; {targets.either(others) if others else 'no target'} can",
        hint=f"--target {targets.either(others)}" if others else None,
    )


def _open(project: Project, name: str) -> Destination[DeployTarget]:
    target = targets.load(name)
    options = project.settings.deploy.get(name, {})
    if not isinstance(options, dict):
        raise ConfigError(f"mardock.toml: deploy.{name} is no table", hint=f"write it as [deploy.{name}]")
    return Destination(name, target, Site(project.root, options, os.environ))


def _only(project: Project, able: Collection[str]) -> str:
    """Return the one target that mardock.toml has a table for, or of several, or of none, the one that is able."""
    configured = list(project.settings.deploy)
    left = configured if len(configured) == 1 else [name for name in able if not configured or name in configured]
    if len(left) != 1:
        raise ConfigError("which cloud?", hint=f"--target {targets.either(left or able)}")
    return left[0]
