"""Who gets how much of an endpoint's traffic, and deleting what gets none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mardock.deploy.azureml.rollout import existing, found, state_of
from mardock.deploy.azureml.waiting import wait
from mardock.errors import ConfigError, DeployError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mardock.deploy.azureml.options import Options
    from mardock.deploy.base import DeploymentName
    from mardock.listener import Listener

_WHOLE = 100


def check_shares(shares: Mapping[str, int]) -> None:
    """Refuse shares that are not 100 together; all of them 0 takes the endpoint off the net.

    Raises:
        ConfigError: with their sum.
    """
    total = sum(shares.values())
    if min(shares.values(), default=0) < 0 or total not in (0, _WHOLE):
        raise ConfigError(f"the traffic adds up to {total}, not to {_WHOLE}", hint="e.g. blue=90 green=10")


def set_traffic(
    client: MLClient, options: Options, endpoint: str, shares: Mapping[str, int], listener: Listener
) -> None:
    """Give each deployment its percentage; those that are not named get none.

    Raises:
        ConfigError: the shares do not add up, or name a deployment that is not there.
        DeployError: there is no such endpoint, or one of them does not serve.
    """
    check_shares(shares)
    entity = existing(client, endpoint)
    states = {str(one.name): state_of(one) for one in client.online_deployments.list(endpoint)}
    for name, percent in shares.items():
        if name not in states:
            raise ConfigError(
                f"the endpoint {endpoint} has no deployment {name}", hint=f"it has: {', '.join(states) or 'none'}"
            )
        if percent and states[name] != "Succeeded":
            raise DeployError(
                f"deployment {endpoint}/{name} is {states[name]} and takes no traffic", hint="deploy it again"
            )
    entity.traffic = dict(shares)
    poller = client.online_endpoints.begin_create_or_update(entity)
    wait(
        f"traffic of {endpoint}",
        options,
        listener,
        poller=poller,
        state=lambda: state_of(client.online_endpoints.get(endpoint)),
    )


def delete_deployment(
    client: MLClient, options: Options, name: DeploymentName, listener: Listener, *, drain: bool
) -> None:
    """Delete a deployment that gets no traffic; with `drain`, the largest of the others takes over its share first.

    Raises:
        DeployError: it gets traffic, and `drain` is not asked for.
    """
    present = found(lambda: client.online_deployments.get(name.deployment, name.endpoint))
    if present is None:
        listener.note(f"there is no deployment {name}")
        return
    shares = _live(client, name.endpoint)
    if name.deployment in shares:
        if not drain:
            raise DeployError(
                f"deployment {name} gets {shares[name.deployment]}% of the traffic",
                hint="shift it with mardock deploy traffic, or --drain",
            )
        set_traffic(client, options, name.endpoint, _without(shares, name.deployment), listener)
    poller = None
    if state_of(present) != "Deleting":
        poller = client.online_deployments.begin_delete(name.deployment, name.endpoint)

    def state() -> str:
        left = found(lambda: client.online_deployments.get(name.deployment, name.endpoint))
        return "Succeeded" if left is None else state_of(left)

    wait(f"deleting {name}", options, listener, poller=poller, state=state)


def delete_endpoint(client: MLClient, options: Options, endpoint: str, listener: Listener, *, drain: bool) -> None:
    """Delete an endpoint with its deployments; refused while traffic flows, unless `drain` is asked for."""
    present = found(lambda: client.online_endpoints.get(endpoint))
    if present is None:
        listener.note(f"there is no endpoint {endpoint}")
        return
    shares = _live(client, endpoint)
    if shares and not drain:
        flowing = ", ".join(f"{name} {percent}%" for name, percent in shares.items())
        raise DeployError(
            f"the endpoint {endpoint} serves traffic: {flowing}", hint="--drain takes it off the net first"
        )
    if shares:
        set_traffic(client, options, endpoint, dict.fromkeys(shares, 0), listener)
    poller = None if state_of(present) == "Deleting" else client.online_endpoints.begin_delete(endpoint)

    def state() -> str:
        left = found(lambda: client.online_endpoints.get(endpoint))
        return "Succeeded" if left is None else state_of(left)

    wait(f"deleting {endpoint}", options, listener, poller=poller, state=state)


def _live(client: MLClient, endpoint: str) -> dict[str, int]:
    traffic = client.online_endpoints.get(endpoint).traffic or {}
    return {name: int(percent) for name, percent in traffic.items() if int(percent)}


def _without(shares: Mapping[str, int], name: str) -> dict[str, int]:
    others = {other: percent for other, percent in shares.items() if other != name}
    if not others:
        return {name: 0}
    heir = max(others, key=lambda other: others[other])
    return {**others, heir: others[heir] + shares[name]}
