"""The native files of one deployment: the YAML of `az ml`, and a Dockerfile; pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mardock.deploy import deployment_yaml
from mardock.deploy.azureml.options import Options, check_deployment
from mardock.deploy.base import DeploymentName, Plan
from mardock.deploy.experiment import Experiment, ExperimentSource
from mardock.engines.config_properties import IN_IMAGE
from mardock.errors import ConfigError
from mardock.spelling import did_you_mean

if TYPE_CHECKING:
    from mardock.deploy.provenance import Provenance

SERVED_AS = "model"
CONFIG = "torchserve/config.properties"
PORT = 8080
DOCKERFILE, MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT = (
    "Dockerfile",
    "model.yml",
    "environment.yml",
    "endpoint.yml",
    "deployment.yml",
)
_SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"
_DEFAULT_BASE = "pytorch/torchserve:0.12.0-cpu"
_SPEC_KEYS = (
    "$schema",
    "app_insights_enabled",
    "data_collector",
    "description",
    "egress_public_network_access",
    "environment_variables",
    "instance_count",
    "instance_type",
    "liveness_probe",
    "model_mount_path",
    "properties",
    "readiness_probe",
    "request_settings",
    "scale_settings",
    "startup_probe",
    "tags",
    "type",
)
_OURS = {
    "name": "--deployment",
    "endpoint_name": "--endpoint",
    "model": "the experiment's archive",
    "environment": "the experiment's image",
}
# A model file lies directly in the model's folder and a folder model one level below: hence the search. With tokens on,
# TorchServe answers the probes 400.
_START = (
    """mar=$(find -L "$AZUREML_MODEL_DIR" -name '*.mar' | head -n 1)""",
    """test -n "$mar" || { echo "there is no .mar below AZUREML_MODEL_DIR=$AZUREML_MODEL_DIR" >&2; exit 1; }""",
    # The shell is process 1, which gets no signal it does not ask for: TorchServe itself would ignore SIGTERM there.
    "trap 'exit 143' TERM",
    f"torchserve --start --foreground --ncs --disable-token-auth --ts-config {IN_IMAGE}"
    """ --model-store "${mar%/*}" --workflow-store "${mar%/*}" --models "model=${mar##*/}" &""",
    "wait $!",
)


def plan(options: Options, spec: Mapping[str, Any], experiment: Experiment, name: DeploymentName) -> Plan:
    """Render what an experiment becomes behind an endpoint; raises ConfigError for a name or a key Azure refuses.

    Args:
        spec: the experiment's torchserve-deployment.yaml.
    """
    check_deployment(name)
    image = image_reference(options, experiment)
    documents = (
        (MODEL, model(experiment)),
        (ENVIRONMENT, environment(experiment, image)),
        (ENDPOINT, endpoint(options, name.endpoint)),
        (DEPLOYMENT, deployment(spec, experiment, image, name)),
    )
    own = experiment.dockerfile is not None
    docker = () if own else ((DOCKERFILE, dockerfile(experiment)),)
    version = experiment.archive.version
    return Plan(
        target="azureml",
        name=name,
        files=(*docker, *((path, to_yaml(document)) for path, document in documents)),
        steps=(
            f"build {image} from {experiment.dockerfile if own else 'the Dockerfile above'} and push it",
            f"register {experiment.archive.path.name} as version {version} of the model {experiment.name}",
            f"create the endpoint {name.endpoint} unless it is there",
            f"create or update its deployment {name.deployment}; its share of the traffic stays as it is",
        ),
        experiment=experiment,
    )


def image_reference(options: Options, source: ExperimentSource) -> str:
    """Return where an experiment's image is pushed to, named after its commit: `shop.azurecr.io/digits:git-0123ab`."""
    return f"{options.registry}/{source.name.lower()}:{_tag(source.provenance)}"


def dockerfile(source: ExperimentSource) -> str:
    """Return the Dockerfile of an experiment that has none of its own: the base, its requirements, and the start."""
    lines = [
        "# Built from the project's folder. An experiment's own Dockerfile beside its spec replaces it.",
        f"ARG BASE_IMAGE={_DEFAULT_BASE}",
        "FROM ${BASE_IMAGE}",
    ]
    if source.requirements is not None:
        lines += [
            f"COPY {source.requirements.as_posix()} /tmp/requirements.txt",
            "RUN pip install --no-cache-dir -r /tmp/requirements.txt",
        ]
    return "\n".join(
        [
            *lines,
            f"COPY {CONFIG} {IN_IMAGE}",
            "ENTRYPOINT []",
            f"CMD {json.dumps(['sh', '-c', chr(10).join(_START)])}",
            "",
        ]
    )


def model(experiment: Experiment) -> dict[str, Any]:
    """Return the model version that holds the archive; its path is where the archive is uploaded to."""
    archive = experiment.archive
    return {
        "$schema": _SCHEMA.format("model"),
        "name": experiment.name,
        "version": archive.version,
        "type": "custom_model",
        "path": f"azureml://datastores/workspaceblobstore/paths/{blob_path(experiment)}",
        "tags": experiment.labels,
    }


def blob_path(experiment: Experiment) -> str:
    """Return the archive's path in the workspace's blob container: another content has another path."""
    archive = experiment.archive
    return f"mardock/{experiment.name}/{archive.version}/{archive.sha256[:16]}/{archive.path.name}"


def environment(experiment: Experiment, image: str) -> dict[str, Any]:
    """Return the environment: the image, and the routes the service probes and scores on."""
    return {
        "$schema": _SCHEMA.format("environment"),
        "name": f"{experiment.name}-torchserve",
        "version": _tag(experiment.provenance),
        "image": image,
        "inference_config": {
            "liveness_route": {"port": PORT, "path": "/ping"},
            "readiness_route": {"port": PORT, "path": "/ping"},
            "scoring_route": {"port": PORT, "path": f"/predictions/{SERVED_AS}"},
        },
    }


def endpoint(options: Options, name: str) -> dict[str, Any]:
    """Return the endpoint; its traffic is never part of its file."""
    return {"$schema": _SCHEMA.format("managedOnlineEndpoint"), "name": name, "auth_mode": options.auth_mode}


def deployment(spec: Mapping[str, Any], experiment: Experiment, image: str, name: DeploymentName) -> dict[str, Any]:
    """Return the deployment: the experiment's spec, with the name, the model and the environment it leaves open."""
    _check_spec(spec, deployment_yaml.path(experiment).as_posix())
    where = environment(experiment, image)
    return {
        "$schema": _SCHEMA.format("managedOnlineDeployment"),
        **spec,
        "name": name.deployment,
        "endpoint_name": name.endpoint,
        "model": f"azureml:{experiment.name}:{experiment.archive.version}",
        "environment": f"azureml:{where['name']}:{where['version']}",
        "tags": {**spec.get("tags", {}), **experiment.labels},
    }


def to_yaml(document: Mapping[str, Any]) -> str:
    """Spell a document as YAML with its keys in their order."""
    import yaml

    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)


def _check_spec(spec: Mapping[str, Any], path: str) -> None:
    for key in spec:
        if key in _OURS:
            raise ConfigError(f"{path}: {key} is not set there but by {_OURS[key]}", hint=f"remove {key} from {path}")
        if key not in _SPEC_KEYS:
            hint = did_you_mean(str(key), _SPEC_KEYS) or f"remove it from {path}"
            raise ConfigError(f"{path}: unknown key {key}", hint=hint)
    if not spec.get("instance_type"):
        raise ConfigError(f"{path}: instance_type is missing", hint="e.g. instance_type: Standard_DS3_v2")
    count = spec.get("instance_count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ConfigError(
            f"{path}: instance_count is {count!r}, a whole number from 1 is wanted", hint="instance_count: 1"
        )
    if not isinstance(spec.get("tags", {}), dict):
        raise ConfigError(f"{path}: tags is no mapping", hint="e.g. tags: {team: vision}")


def _tag(provenance: Provenance) -> str:
    # Bare digits would be a number to YAML.
    return f"git-{provenance.commit[:12]}" + ("-dirty" if provenance.changed else "")
