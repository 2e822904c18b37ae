"""The DeployTarget protocol, which modules satisfy, and the values that pass between a target and its callers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Protocol, runtime_checkable

from mardock.endpoint import Endpoint
from mardock.errors import DeployError

if TYPE_CHECKING:
    from mardock.deploy.experiment import Experiment
    from mardock.listener import Listener


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
class DeploymentName:
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
    name: DeploymentName
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

    name: DeploymentName
    state: str
    endpoint: Optional[Endpoint] = None
    commit: str = ""
    digest: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """A deployed model as its callers meet it.

    Attributes:
        endpoint: where it answers; its other addresses are empty unless the target lets TorchServe's other APIs out.
        called: its name in a call.
        models: what is served there, by the names of mardock.toml or of the archives, e.g. two while traffic is shared
            between them; empty when the target does not know.
    """

    endpoint: Endpoint
    called: str
    models: tuple[str, ...] = ()


@runtime_checkable
class DeployTarget(Protocol):
    """One cloud or cluster: what each of them can do; what only some can is in `capabilities`.

    `plan` touches nothing; only `apply` and `destroy` change anything.
    """

    def plan(self, site: Site, experiment: Experiment, name: DeploymentName) -> Plan:
        """Render the native files, without a network and without the target's extra.

        What the target wants to know besides the experiment, it reads itself: its options from the site, and files of
        its own, where it has any, from the experiment's folder.

        Raises:
            ConfigError: a name, an option or a file the target would refuse.
        """
        ...

    def apply(self, site: Site, plan: Plan, listener: Listener) -> Deployment:
        """Make it so; run again after an interruption it goes on where it was.

        Raises:
            DeployError: the target refused or failed; what ran before still runs.
        """
        ...

    def status(self, site: Site, name: DeploymentName) -> Deployment:
        """Say what runs; a deployment that does not exist has the state `absent`."""
        ...

    def served(self, site: Site, name: DeploymentName) -> Served:
        """Say where an endpoint answers, or the one deployment behind it that `name` names.

        Raises:
            ConfigError: there is no such deployment.
            DeployError: the endpoint answers nobody.
        """
        ...

    def logs(self, site: Site, name: DeploymentName, *, tail: int) -> Iterator[str]:
        """Yield the container's last log lines, oldest first, without line ends."""
        ...

    def destroy(self, site: Site, name: DeploymentName, listener: Listener, *, drain: bool) -> None:
        """Delete a deployment; one that does not exist is no error.

        Args:
            drain: take its traffic away first instead of refusing.
        """
        ...


def missing_extra(what: str, extra: str, error: ImportError) -> DeployError:
    """Return what to raise when a package cannot be imported that an extra of this package brings.

    Args:
        what: what needs the package, e.g. `--target azureml`.
    """
    from mardock import extras

    return DeployError(f"{what} needs the package {error.name or error}", hint=extras.how_to_add(extra))
