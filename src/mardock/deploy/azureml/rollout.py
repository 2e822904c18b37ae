"""Putting a plan into a workspace, each part once: the model version, the environment, the endpoint, the deployment."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from mardock.deploy.azureml import blobs, render
from mardock.deploy.azureml.waiting import UNDER_WAY, wait
from mardock.deploy.azureml.workspace import NoRoomError, translated
from mardock.deploy.provenance import DIGEST_TAG
from mardock.errors import DeployError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

    from mardock.deploy.azureml.options import Options
    from mardock.deploy.base import DeploymentName, Plan
    from mardock.deploy.experiment import Experiment
    from mardock.listener import Listener

LOG_LINES = 100

_T = TypeVar("_T")


def found(look: Callable[[], _T]) -> Optional[_T]:
    """Return what `look` returns, or None where the service has no such thing."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return look()
    except ResourceNotFoundError:
        return None


def state_of(entity: Any) -> str:
    """Return the state of an endpoint or a deployment, which the SDK gives as a string or as an enumeration."""
    state = entity.provisioning_state
    return str(getattr(state, "value", state))


def existing(client: MLClient, endpoint: str) -> OnlineEndpoint:
    """Return an endpoint; raises a DeployError when there is none of this name."""
    present: Optional[OnlineEndpoint] = found(lambda: client.online_endpoints.get(endpoint))
    if present is None:
        raise DeployError(f"there is no endpoint {endpoint}", hint=f"mardock deploy endpoint {endpoint}")
    return present


def register_model(client: MLClient, options: Options, experiment: Experiment, listener: Listener) -> None:
    """Upload the archive and register it as its version of the model, unless that is done.

    Raises:
        DeployError: the version exists with other content.
    """
    from azure.ai.ml import load_model

    archive, what = experiment.archive, _version(experiment)
    if is_registered(client, experiment):
        listener.note(f"{what} is registered already")
        return
    blobs.upload(client, options, archive.path, render.blob_path(experiment), archive.sha256, listener)
    client.models.create_or_update(load_model(io.StringIO(render.to_yaml(render.model(experiment)))))
    listener.note(f"registered {what}")


def is_registered(client: MLClient, experiment: Experiment) -> bool:
    """Whether the archive is its version of the model; raises a DeployError when something else is."""
    present = found(lambda: client.models.get(experiment.name, experiment.archive.version))
    if present is not None and (present.tags or {}).get(DIGEST_TAG) != experiment.archive.sha256:
        raise DeployError(
            f"{_version(experiment)} exists with other content",
            hint=f"archive it under a new version: mardock archive {experiment.name} --version VERSION",
        )
    return present is not None


def _version(experiment: Experiment) -> str:
    return f"version {experiment.archive.version} of the model {experiment.name}"


def check_possible(client: MLClient, plan: Plan) -> None:
    """Refuse, before an image is built, what would be refused after it.

    Raises:
        DeployError: the model's version exists with other content, or the deployment serves something else.
    """
    is_registered(client, plan.experiment)
    name = plan.name
    present = found(lambda: client.online_deployments.get(name.deployment, name.endpoint))
    if present is not None and not _is_of(present, plan):
        _refuse_live(client, name)


def _is_of(deployment: OnlineDeployment, plan: Plan) -> bool:
    tags = deployment.tags or {}
    return all(tags.get(key) == value for key, value in plan.experiment.labels.items())


def create_environment(client: MLClient, text: str) -> None:
    """Register the environment of a plan, unless it is there.

    Raises:
        DeployError: it exists with another image.
    """
    from azure.ai.ml import load_environment

    wanted = load_environment(io.StringIO(text))
    present = found(lambda: client.environments.get(wanted.name, wanted.version))
    if present is None:
        client.environments.create_or_update(wanted)
    elif present.image != wanted.image:
        raise DeployError(
            f"version {wanted.version} of the environment {wanted.name} exists with the image {present.image}",
            hint="commit a change, which gives it another version",
        )


def create_endpoint(client: MLClient, options: Options, text: str, listener: Listener) -> None:
    """Create an endpoint unless it is there; one that is there keeps its traffic and its keys."""
    from azure.ai.ml import load_online_endpoint

    wanted = load_online_endpoint(io.StringIO(text))
    name = str(wanted.name)
    present = found(lambda: client.online_endpoints.get(name))
    what = f"endpoint {name}"
    if present is not None and state_of(present) == "Succeeded":
        listener.note(f"{what} exists")
        return
    under_way = present is not None and state_of(present) in UNDER_WAY
    poller = None if under_way else client.online_endpoints.begin_create_or_update(wanted)
    end = wait(what, options, listener, poller=poller, state=lambda: state_of(client.online_endpoints.get(name)))
    if end != "Succeeded":
        raise DeployError(f"{what} ended {end}", hint=f"mardock deploy destroy --target azureml --endpoint {name}")


def create_deployment(client: MLClient, options: Options, plan: Plan, listener: Listener) -> None:
    """Create or update the deployment and wait until it serves; takes up one that is under way.

    Raises:
        DeployError: it failed, with its container's log; what another deployment serves is untouched. Or it would
            change what live traffic is served by.
    """
    from azure.ai.ml import load_online_deployment

    name = plan.name
    wanted = load_online_deployment(io.StringIO(dict(plan.files)[render.DEPLOYMENT]))
    present = found(lambda: client.online_deployments.get(name.deployment, name.endpoint))
    same = present is not None and _is_of(present, plan)
    under_way = present is not None and state_of(present) in UNDER_WAY
    if under_way and not same:
        raise DeployError(f"deployment {name} is being changed to something else", hint="wait until that has ended")
    if present is not None and not same:
        _refuse_live(client, name)
    poller: Any = None if under_way else client.online_deployments.begin_create_or_update(wanted)

    def state() -> str:
        return state_of(client.online_deployments.get(name.deployment, name.endpoint))

    try:
        with translated():
            end = wait(f"deployment {name}", options, listener, poller=poller, state=state)
    except NoRoomError:
        raise
    except DeployError as error:
        if state() != "Failed":
            raise
        raise _failed(client, name, error.message) from error
    if end != "Succeeded":
        raise _failed(client, name, f"it ended {end}")


def log_lines(client: MLClient, name: DeploymentName, tail: int) -> list[str]:
    """Return the container's last log lines, oldest first; raises a DeployError when there is no such deployment."""
    if found(lambda: client.online_deployments.get(name.deployment, name.endpoint)) is None:
        raise DeployError(
            f"there is no deployment {name}", hint=f"mardock deploy status --target azureml --endpoint {name.endpoint}"
        )
    log: str = client.online_deployments.get_logs(name.deployment, name.endpoint, lines=tail)
    return log.splitlines()


def share(client: MLClient, name: DeploymentName) -> int:
    """Return the percentage of the endpoint's traffic that a deployment gets."""
    endpoint = client.online_endpoints.get(name.endpoint)
    return int((endpoint.traffic or {}).get(name.deployment, 0))


def _refuse_live(client: MLClient, name: DeploymentName) -> None:
    percent = share(client, name)
    if percent:
        raise DeployError(
            f"deployment {name} serves {percent}% of the traffic and is not changed under it",
            hint="deploy beside it with another --deployment, then shift the traffic: mardock deploy traffic",
        )


def _failed(client: MLClient, name: DeploymentName, reason: str) -> DeployError:
    with translated():
        log = log_lines(client, name, LOG_LINES)
    return DeployError(
        f"deployment {name} failed: {reason}",
        details="\n".join(log) or None,
        hint="mend it, commit, and deploy again; the other deployments of the endpoint are untouched",
    )


def deployed(deployment: OnlineDeployment) -> dict[str, str]:
    """Return what is worth showing of a deployment, in display order."""
    return {
        "model": str(deployment.model).rpartition("/models/")[2].replace("/versions/", ":"),
        "instance_type": str(deployment.instance_type),
        "instance_count": str(deployment.instance_count),
    }
