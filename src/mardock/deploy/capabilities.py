"""What only some deploy targets can do: each a protocol that a target's module satisfies by having its members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from mardock.deploy.base import Deployment, DeploymentName, Site
    from mardock.deploy.experiment import Experiment, ExperimentSource
    from mardock.deploy.rehearsal.contract import Contract
    from mardock.listener import Listener

Action = Literal["start", "stop", "restart"]


@runtime_checkable
class HasImages(Protocol):
    """Runs images of the experiments' own."""

    def build_image(self, site: Site, source: ExperimentSource, listener: Listener) -> str:
        """Return an experiment's image once the registry has it."""
        ...


@runtime_checkable
class HasModels(Protocol):
    """Keeps versions of models, of which deployments are made."""

    def register_model(self, site: Site, experiment: Experiment, listener: Listener) -> None:
        """Upload the archive and register it as its version of the model.

        Raises:
            DeployError: that version exists with other content.
        """
        ...


@runtime_checkable
class HasEndpoints(Protocol):
    """Has endpoints that are there before the deployments behind them, which have names of their own."""

    def create_endpoint(self, site: Site, endpoint: str, listener: Listener) -> None:
        """Create an endpoint without deployments, unless it is there."""
        ...


@runtime_checkable
class HasTraffic(Protocol):
    """Has several deployments answer at one endpoint."""

    def set_traffic(self, site: Site, endpoint: str, shares: Mapping[str, int], listener: Listener) -> None:
        """Give each deployment its percentage of an endpoint's traffic; those that are not named get none.

        Raises:
            ConfigError: the shares do not add up, or name a deployment that is not there.
        """
        ...


@runtime_checkable
class CanStop(Protocol):
    """Keeps a deployment that does not run."""

    def control(self, site: Site, name: DeploymentName, action: Action, listener: Listener) -> Deployment:
        """Start, stop or restart a deployment and wait until it is done; one that runs is not started again.

        Raises:
            DeployError: there is none, or it does not come to run or to rest.
        """
        ...


@runtime_checkable
class Rehearsable(Protocol):
    """Knows how it would run an experiment, so that this machine can."""

    def contract(self, site: Site, experiment: Experiment, listener: Listener) -> Contract:
        """Plan the deployment, have its image on this machine, and say how the target would run it.

        Raises:
            ConfigError: a name, an option or a file, which the target would refuse.
            EngineError: the image cannot be had.
        """
        ...


@runtime_checkable
class HasMetricsPage(Protocol):
    """Keeps TorchServe's metrics inside, and shows some of its own elsewhere.

    Attributes:
        METRICS_PAGE: where, for a hint.
    """

    METRICS_PAGE: str


DOING: Mapping[type, str] = {
    HasImages: "build an experiment's image",
    HasModels: "register a version of a model",
    HasEndpoints: "create an endpoint without a deployment",
    HasTraffic: "share out an endpoint's traffic",
    CanStop: "start and stop an endpoint",
    Rehearsable: "be rehearsed here",
}
"""What a target without a capability that a command needs cannot do, in words."""
