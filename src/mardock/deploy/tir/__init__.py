"""TIR of E2E Networks: a DeployTarget with rehearsals, whose endpoints can be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mardock.deploy import deployment_yaml
from mardock.deploy.base import Deployment, DeploymentName, Plan, Served
from mardock.deploy.provenance import COMMIT_TAG, DIGEST_TAG
from mardock.deploy.tir import call_examples, render
from mardock.deploy.tir.options import Options, check_name, read, read_secrets
from mardock.endpoint import Endpoint, Tokens
from mardock.errors import DeployError

if TYPE_CHECKING:
    from mardock.deploy.base import Site
    from mardock.deploy.capabilities import Action
    from mardock.deploy.experiment import Experiment
    from mardock.deploy.rehearsal.contract import Contract
    from mardock.deploy.tir.api import TirApi
    from mardock.listener import Listener

ABSENT = "absent"
MODEL = "model"
"""The detail that holds the name the model is served under, when mardock deployed it."""

METRICS_PAGE = "the TIR dashboard shows the endpoint's own"


def plan(site: Site, experiment: Experiment, name: DeploymentName) -> Plan:
    """Render the repository, the bucket's files and the endpoint, without a network; see `DeployTarget.plan`."""
    return render.plan(read(site), deployment_yaml.read(site, experiment), experiment, name)


def apply(site: Site, plan: Plan, listener: Listener) -> Deployment:
    """Upload and deploy, each unless it is done already; see `DeployTarget.apply`."""
    from mardock.deploy.object_store import require_boto3
    from mardock.deploy.tir import rollout

    options = read(site)
    require_boto3()
    with _connect(site, options) as api:
        repository, bucket = rollout.provide_bucket(site, options, api, plan, listener)
        rollout.upload(options, bucket, plan, listener)
        rollout.provide_endpoint(options, api, plan, repository, listener)
        return _deployment(site, options, api, plan.name)


def status(site: Site, name: DeploymentName) -> Deployment:
    """Say what an endpoint serves, and how to call it; see `DeployTarget.status`."""
    check_name(name)
    options = read(site)
    with _connect(site, options) as api:
        return _deployment(site, options, api, name)


def served(site: Site, name: DeploymentName) -> Served:
    """Say where an endpoint answers, and what its model is called; see `DeployTarget.served`."""
    found = status(site, name)
    if found.endpoint is None:
        raise DeployError(
            f"the endpoint {name} is {found.state} and answers nobody",
            hint=f"mardock deploy status --target tir --endpoint {name}",
        )
    model = found.details.get(MODEL, "")
    return Served(found.endpoint, called=model, models=(model,) if model else ())


def logs(site: Site, name: DeploymentName, *, tail: int) -> Iterator[str]:
    """Yield the last lines of an endpoint's log; see `DeployTarget.logs`."""
    with _connect(site, read(site)) as api:
        lines = api.logs(_number(api, name))
    return iter(lines[-tail:] if tail else [])


def contract(site: Site, experiment: Experiment, listener: Listener) -> Contract:
    """Say how TIR would run an experiment; see `Rehearsable.contract`."""
    from mardock.deploy.tir import rehearsal

    return rehearsal.contract(site, experiment, listener)


def control(site: Site, name: DeploymentName, action: Action, listener: Listener) -> Deployment:
    """Start, stop or restart an endpoint; see `CanStop.control`."""
    from mardock.deploy.tir import rollout

    options = read(site)
    wanted = rollout.STOPPED if action == "stop" else rollout.RUNNING
    with _connect(site, options) as api:
        number = _number(api, name)
        before = rollout.state_of(api.endpoint_by_id(number))
        if action == "restart" or before not in wanted:
            api.act(number, action)
            rollout.wait(options, api, number, str(name), listener, wanted=wanted, before=before)
        return _deployment(site, options, api, name)


def destroy(site: Site, name: DeploymentName, listener: Listener, *, drain: bool) -> None:
    """Delete an endpoint, a running one only with `drain`, which stops it first; see `DeployTarget.destroy`.

    Its files stay in the bucket: another endpoint may load them.
    """
    from mardock.deploy.tir import rollout

    check_name(name)
    options = read(site)
    with _connect(site, options) as api:
        found = api.endpoint(name.endpoint)
        if found is None:
            return
        number = int(found["id"])
        if str(found.get("status", "")).lower() in rollout.RUNNING:
            if not drain:
                raise DeployError(f"the endpoint {name} runs, and may be in use", hint="stop it first: --drain")
            api.act(number, "stop")
            rollout.wait(options, api, number, str(name), listener, wanted=rollout.STOPPED)
        listener.note(f"deleting the endpoint {name}")
        api.delete_endpoint(number)


def _connect(site: Site, options: Options) -> TirApi:
    from mardock.deploy.tir.api import TirApi

    return TirApi(options, read_secrets(site.environ))


def _number(api: TirApi, name: DeploymentName) -> int:
    found = api.endpoint(name.endpoint)
    if found is None:
        raise DeployError(
            f"TIR has no endpoint {name}", hint=f"mardock deploy apply EXP --target tir --endpoint {name}"
        )
    return int(found["id"])


def _deployment(site: Site, options: Options, api: TirApi, name: DeploymentName) -> Deployment:
    from mardock.deploy.tir import rollout

    found = api.endpoint(name.endpoint)
    if found is None:
        return Deployment(name, ABSENT)
    number, variables = int(found["id"]), rollout.labels(found)
    state = str(found.get("status", ""))
    token = site.environ.get("TIR_INFERENCE_TOKEN") or site.environ.get("TIR_TOKEN")
    url = call_examples.inference_url(options, number)
    known = {MODEL: variables[render.MODEL_TAG]} if render.MODEL_TAG in variables else {}
    model = known.get(MODEL, "MODEL")
    return Deployment(
        name,
        state,
        endpoint=Endpoint(url, credentials=Tokens(token)) if state.lower() in rollout.RUNNING else None,
        commit=variables.get(COMMIT_TAG, ""),
        digest=variables.get(DIGEST_TAG, ""),
        details={
            **known,
            "URL": url,
            "REST": call_examples.rest(options, number, model),
            "gRPC": call_examples.grpc(options, number, model),
        },
    )
