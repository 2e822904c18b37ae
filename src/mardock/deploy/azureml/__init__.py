"""Azure ML managed online endpoints: a DeployTarget with images, models, endpoints, traffic and rehearsals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mardock.deploy import deployment_yaml
from mardock.deploy.azureml import experiment_image, render, rollout, scoring, traffic
from mardock.deploy.azureml.options import check_deployment, check_name, read
from mardock.deploy.azureml.workspace import connect
from mardock.deploy.base import Deployment, DeploymentName, Plan, Served
from mardock.deploy.provenance import COMMIT_TAG, DIGEST_TAG
from mardock.endpoint import Endpoint

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mardock.deploy.base import Site
    from mardock.deploy.experiment import Experiment, ExperimentSource
    from mardock.deploy.rehearsal.contract import Contract
    from mardock.listener import Listener

METRICS_PAGE = "the studio shows the endpoint's own under Metrics"


def plan(site: Site, experiment: Experiment, name: DeploymentName) -> Plan:
    """Render the YAML of `az ml` and the Dockerfile, without a network; see `DeployTarget.plan`."""
    planned = render.plan(read(site), deployment_yaml.read(site, experiment), experiment, name)
    experiment_image.require_config(site.root, experiment)
    return planned


def apply(site: Site, plan: Plan, listener: Listener) -> Deployment:
    """Build, push, register and deploy, each unless it is done already; see `DeployTarget.apply`."""
    options = read(site)
    files = dict(plan.files)
    with connect(options) as client:
        rollout.check_possible(client, plan)
        experiment_image.provide(site, options, plan.experiment, listener)
        rollout.register_model(client, options, plan.experiment, listener)
        rollout.create_environment(client, files[render.ENVIRONMENT])
        rollout.create_endpoint(client, options, files[render.ENDPOINT], listener)
        rollout.create_deployment(client, options, plan, listener)
        return _deployment(client, plan.name)


def contract(site: Site, experiment: Experiment, listener: Listener) -> Contract:
    """Say how the service would run an experiment; see `Rehearsable.contract`."""
    from mardock.deploy.azureml import rehearsal

    return rehearsal.contract(site, experiment, listener)


def build_image(site: Site, source: ExperimentSource, listener: Listener) -> str:
    """Return the experiment's image once the registry has it; see `HasImages.build_image`."""
    return experiment_image.provide(site, read(site), source, listener)


def register_model(site: Site, experiment: Experiment, listener: Listener) -> None:
    """Upload the archive and register it as its version of the model; see `HasModels.register_model`."""
    options = read(site)
    with connect(options) as client:
        rollout.register_model(client, options, experiment, listener)


def create_endpoint(site: Site, endpoint: str, listener: Listener) -> None:
    """Create an endpoint without deployments, unless it is there; see `HasEndpoints.create_endpoint`."""
    options = read(site)
    check_name(DeploymentName(endpoint))
    with connect(options) as client:
        rollout.create_endpoint(client, options, render.to_yaml(render.endpoint(options, endpoint)), listener)


def set_traffic(site: Site, endpoint: str, shares: Mapping[str, int], listener: Listener) -> None:
    """Give each deployment its percentage of an endpoint's traffic; see `HasTraffic.set_traffic`."""
    options = read(site)
    check_name(DeploymentName(endpoint))
    traffic.check_shares(shares)
    with connect(options) as client:
        traffic.set_traffic(client, options, endpoint, shares, listener)


def status(site: Site, name: DeploymentName) -> Deployment:
    """Say what runs; see `DeployTarget.status`."""
    options = read(site)
    check_name(name)
    with connect(options) as client:
        return _deployment(client, name)


def served(site: Site, name: DeploymentName) -> Served:
    """Say where an endpoint or one of its deployments answers, with its key; see `DeployTarget.served`."""
    options = read(site)
    check_name(name)
    with connect(options) as client:
        return scoring.served(client, name)


def logs(site: Site, name: DeploymentName, *, tail: int) -> Iterator[str]:
    """Yield the container's last log lines; see `DeployTarget.logs`."""
    options = read(site)
    check_deployment(name)
    with connect(options) as client:
        yield from rollout.log_lines(client, name, tail)


def destroy(site: Site, name: DeploymentName, listener: Listener, *, drain: bool) -> None:
    """Delete a deployment, or with no deployment named the whole endpoint; see `DeployTarget.destroy`."""
    options = read(site)
    check_name(name)
    with connect(options) as client:
        if name.deployment:
            traffic.delete_deployment(client, options, name, listener, drain=drain)
        else:
            traffic.delete_endpoint(client, options, name.endpoint, listener, drain=drain)


def _deployment(client: MLClient, name: DeploymentName) -> Deployment:
    where = rollout.found(lambda: client.online_endpoints.get(name.endpoint))
    if where is None:
        return Deployment(name, "absent")
    shares = where.traffic or {}
    address = Endpoint("{0.scheme}://{0.netloc}".format(urlsplit(where.scoring_uri or "")))
    if not name.deployment:
        details = {"URL": str(where.scoring_uri), **{f"traffic to {one}": f"{part}%" for one, part in shares.items()}}
        return Deployment(name, rollout.state_of(where), address, details=details)
    present = rollout.found(lambda: client.online_deployments.get(name.deployment, name.endpoint))
    if present is None:
        return Deployment(name, "absent")
    tags = present.tags or {}
    return Deployment(
        name,
        rollout.state_of(present),
        address,
        commit=tags.get(COMMIT_TAG, ""),
        digest=tags.get(DIGEST_TAG, ""),
        details={**rollout.deployed(present), "traffic": f"{int(shares.get(name.deployment, 0))}%"},
    )
