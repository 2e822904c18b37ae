"""The DeployTarget protocol, which modules satisfy, and the values that pass between a target and its callers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Protocol, cast

from mardock import extras
from mardock.endpoint import Endpoint
from mardock.errors import ConfigError, DeployError

if TYPE_CHECKING:
    from mardock.deploy.experiment import Experiment
    from mardock.listener import Listener

EXTRAS = {"azureml": "azure", "tir": "tir"}
"""The targets, and the extra of this package each one needs."""


@dataclass(frozen=True)
class Site:
    """Where a target deploys to.

    Attributes:
        root: the project's folder.
        options: the project's `[deploy.TARGET]` table, checked by the target.
        environ: the environment, where keys and tokens come from; never shown.
    """

    root: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Name:
    """What a deployment is called: its endpoint and, where a target has several behind one, the deployment itself."""

    endpoint: str
    deployment: str = ""

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.deployment}" if self.deployment else self.endpoint


@dataclass(frozen=True)
class Plan:
    """What `apply` will do, as the target's own files.

    Attributes:
        files: (path, text) of each native file, in the order they take effect; no secret stands in them.
        steps: the same in words, one line a step.
        experiment: what is deployed.
    """

    target: str
    name: Name
    files: tuple[tuple[str, str], ...]
    steps: tuple[str, ...]
    experiment: Experiment


@dataclass(frozen=True)
class Deployment:
    """What a target says of one deployment.

    Attributes:
        state: in the target's own words, e.g. `Succeeded`; `absent` when there is none.
        endpoint: where it answers, `None` until it does.
        commit: the git commit it was deployed from, empty when the target does not know.
        digest: the SHA-256 of its archive in hex, empty when the target does not know.
        details: what else is worth showing, in display order.
    """

    name: Name
    state: str
    endpoint: Optional[Endpoint] = None
    commit: str = ""
    digest: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """A deployed model as its callers meet it.

    Attributes:
        endpoint: where it answers; it has no other API than predictions.
        called: its name in a call.
        models: what is served there, by the names of mardock.toml or of the archives, e.g. two while traffic is shared
            between them; empty when the target does not know.
    """

    endpoint: Endpoint
    called: str
    models: tuple[str, ...] = ()


class DeployTarget(Protocol):
    """One cloud or cluster. `plan` touches nothing; only `apply` and `destroy` change anything."""

    def plan(self, site: Site, experiment: Experiment, name: Name) -> Plan:
        """Render the native files, without a network and without the target's extra.

        Raises:
            ConfigError: a name or an option the target would refuse.
        """
        ...

    def apply(self, site: Site, plan: Plan, listener: Listener) -> Deployment:
        """Make it so; run again after an interruption it goes on where it was.

        Raises:
            DeployError: the target refused or failed; what ran before still runs.
        """
        ...

    def status(self, site: Site, name: Name) -> Deployment:
        """Say what runs; a deployment that does not exist has the state `absent`."""
        ...

    def served(self, site: Site, name: Name) -> Served:
        """Say where an endpoint answers, or the one deployment behind it that `name` names.

        Raises:
            ConfigError: there is no such deployment.
            DeployError: the endpoint answers nobody.
        """
        ...

    def logs(self, site: Site, name: Name, *, tail: int) -> Iterator[str]:
        """Yield the container's last log lines, oldest first, without line ends."""
        ...

    def destroy(self, site: Site, name: Name, listener: Listener, *, drain: bool) -> None:
        """Delete a deployment; one that does not exist is no error.

        Args:
            drain: take its traffic away first instead of refusing.
        """
        ...


def load(target: str) -> DeployTarget:
    """Import a target's module; what it needs of its extra is imported when it is first used.

    Raises:
        ConfigError: there is no such target.
    """
    if target not in EXTRAS:
        raise ConfigError(f"there is no deploy target {target!r}", hint=f"--target {' or '.join(EXTRAS)}")
    return cast(DeployTarget, importlib.import_module(f"mardock.deploy.{target}"))


def missing_extra(target: str, error: ImportError) -> DeployError:
    """Return what to raise when a package of a target's extra cannot be imported."""
    return DeployError(
        f"--target {target} needs the package {error.name or error}", hint=extras.how_to_add(EXTRAS[target])
    )
