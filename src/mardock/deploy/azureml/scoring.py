"""Calling what an endpoint serves: its address, its key, and the header that chooses a deployment without traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mardock.deploy.azureml.keys import EndpointKeys
from mardock.deploy.azureml.render import SERVED_AS
from mardock.deploy.azureml.rollout import deployed, existing, state_of
from mardock.deploy.base import Served
from mardock.endpoint import Endpoint
from mardock.errors import ConfigError, DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.ai.ml import MLClient

    from mardock.deploy.base import DeploymentName

CHOOSES_DEPLOYMENT = "azureml-model-deployment"
"""The header by which the service passes a call to one deployment, whatever its share of the traffic."""


def served(client: MLClient, name: DeploymentName) -> Served:
    """Return where calls go, and which models answer them; see `DeployTarget.served`.

    Raises:
        ConfigError: there is no such deployment.
        DeployError: there is no such endpoint, or it has no address yet, or nothing behind it gets traffic.
    """
    endpoint = existing(client, name.endpoint)
    if not endpoint.scoring_uri:
        raise DeployError(
            f"the endpoint {name.endpoint} is {state_of(endpoint)} and has no address yet",
            hint=f"mardock deploy status --target azureml --endpoint {name.endpoint}",
        )
    models = {
        str(one.name): deployed(one)["model"].partition(":")[0] for one in client.online_deployments.list(name.endpoint)
    }
    answering = _answering(name, models, endpoint.traffic or {})
    address = urlsplit(endpoint.scoring_uri)
    return Served(
        Endpoint(
            f"{address.scheme}://{address.netloc}",
            credentials=EndpointKeys(client, name.endpoint),
            headers={CHOOSES_DEPLOYMENT: name.deployment} if name.deployment else {},
        ),
        called=SERVED_AS,
        models=tuple(sorted({models[one] for one in answering})),
    )


def _answering(name: DeploymentName, deployments: Mapping[str, str], traffic: Mapping[str, int]) -> list[str]:
    """Return the deployments that calls reach: the one that is named, or those that get traffic."""
    known = ", ".join(deployments) or "none"
    if name.deployment:
        if name.deployment not in deployments:
            raise ConfigError(
                f"the endpoint {name.endpoint} has no deployment {name.deployment}", hint=f"it has: {known}"
            )
        return [name.deployment]
    live = [one for one in deployments if int(traffic.get(one, 0))]
    if not live:
        raise DeployError(
            f"no deployment of the endpoint {name.endpoint} gets traffic; it has: {known}",
            hint=f"mardock deploy traffic NAME=100 --endpoint {name.endpoint}, or call one with --deployment NAME",
        )
    return live
