"""What TIR is given, as its own files: the bucket's folder, config.properties, the repository and the endpoint."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mardock.deploy.base import DeploymentName, Plan
from mardock.deploy.deployment_yaml import mapping, number
from mardock.deploy.tir.options import Options, check_name
from mardock.engines import config_properties
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.deploy.experiment import Experiment

REPOSITORY = "model-repository.json"
BUCKET = "bucket.json"
CONFIG = "config/config.properties"
ENDPOINT = "endpoint.json"

MODEL_TAG = "mardock_model"
"""The endpoint's environment variable that holds the name the model is served under."""

PLAN_TAG = "mardock_plan"
"""The one that holds a digest of all the files it was made of."""

MOUNT = "/mnt/models"
"""Where the bucket's folder is found in the container."""

_INFERENCE_PORT = 8080
# The defaults of `az ml`, whose YAML the spec is.
_PROBE_DEFAULTS = {
    "initial_delay": 10,
    "period": 10,
    "timeout": 2,
    "success_threshold": 1,
    "failure_threshold": 30,
}


def plan(options: Options, spec: Mapping[str, Any], experiment: Experiment, name: DeploymentName) -> Plan:
    """Render every file; see `DeployTarget.plan`.

    Args:
        spec: the experiment's torchserve-deployment.yaml.
    """
    check_name(name)
    archive = experiment.archive
    if not archive.path.is_file():
        raise ConfigError(
            f"{archive.path.name} is a directory, and TIR takes a .mar", hint=f"mardock archive {experiment.name}"
        )
    folder = f"{experiment.name}/{archive.version}" if options.folder is None else options.folder.strip("/")
    repository = options.repository or experiment.name
    prefix = f"{folder}/" if folder else ""
    config = _config(experiment)
    body = _endpoint(options, spec, experiment, name, folder)
    digest = hashlib.sha256(f"{repository}\n{config}\n{_json(body)}".encode()).hexdigest()
    body["custom_endpoint_details"]["resource_details"]["env_variables"].append(_variable(PLAN_TAG, digest))
    objects = (f"{prefix}model-store/{archive.path.name}", f"{prefix}{CONFIG}")
    return Plan(
        target="tir",
        name=name,
        files=(
            (REPOSITORY, _json(_repository(options, repository))),
            (CONFIG, config),
            (BUCKET, _json({"folder": folder, "archive": objects[0], "config": objects[1]})),
            (ENDPOINT, _json(body)),
        ),
        steps=(
            f"find or create the model repository {repository} ({options.storage_type})",
            *(f"upload {each}, unless it is there" for each in objects),
            f"create or update the endpoint {name} on SKU {options.sku_id}",
            f"wait until it runs, for at most {options.timeout:g} s",
        ),
        experiment=experiment,
    )


def _repository(options: Options, name: str) -> dict[str, Any]:
    body = {"name": name, "model_type": "pytorch", "storage_type": options.storage_type}
    return {**body, "bucket_name": options.bucket} if options.bucket else body


def _config(experiment: Experiment) -> str:
    """Render TorchServe's configuration inside the container; only predictions and metrics are to be reached."""
    archive, serving = experiment.archive, experiment.serving
    workers = max(serving.initial_workers, 1)
    version = {
        "defaultVersion": True,
        "marName": archive.path.name,
        "minWorkers": workers,
        "maxWorkers": workers,
        "batchSize": serving.batch_size,
        "maxBatchDelay": serving.max_batch_delay,
        "responseTimeout": serving.response_timeout,
    }
    needs_packages = "requirementsFile" in archive.manifest.get("model", {})
    values = {
        "inference_address": f"http://0.0.0.0:{_INFERENCE_PORT}",
        "management_address": "http://127.0.0.1:8081",
        "metrics_address": "http://0.0.0.0:8082",
        "grpc_inference_address": "0.0.0.0",  # noqa: S104 - of the container
        "grpc_inference_port": "7070",
        "model_store": f"{MOUNT}/model-store",
        "load_models": archive.path.name,
        "models": json.dumps({archive.name: {archive.version: version}}),
        "metrics_format": "prometheus",  # the name in TIR's sample
        "metrics_mode": "prometheus",  # TorchServe's own
        "enable_envvars_config": "true",
        "install_py_dep_per_model": str(needs_packages).lower(),
        "number_of_netty_threads": "4",
        "job_queue_size": "100",
        "default_response_timeout": str(serving.response_timeout),
        "default_startup_timeout": str(serving.startup_timeout),
    }
    return config_properties.render(values)


def _endpoint(
    options: Options, spec: Mapping[str, Any], experiment: Experiment, name: DeploymentName, folder: str
) -> dict[str, Any]:
    resources: dict[str, Any] = {"env_variables": _environment(spec, experiment)}
    if options.disk is not None:
        resources.update(disk_size=options.disk.size, mount_path=options.disk.mount_path)
    body: dict[str, Any] = {
        "name": name.endpoint,
        "framework": "pytorch",
        "model_id": None,  # known once the repository is there
        "sku_id": options.sku_id,
        "replica": number(spec, "instance_count", 1, least=1),
        "path": f"{folder}/" if folder else "",
        "custom_endpoint_details": {
            "container": _container(options, spec),
            "resource_details": resources,
            "public_ip": "no",
            "service_port": True,
            "metric_port": True,
        },
        "detailed_info": {"commands": _encoded([]), "args": _encoded(_arguments())},
        "is_auto_scale_enabled": options.auto_scale is not None,
    }
    if options.auto_scale is not None:
        body["auto_scale_policy"] = _policy(options)
    return body


def _container(options: Options, spec: Mapping[str, Any]) -> dict[str, Any]:
    private = options.registry_namespace_id is not None
    return {
        "container_name": options.image,
        "container_type": "private" if private else "public",
        "private_image_details": {"registry_namespace_id": options.registry_namespace_id} if private else {},
        "advance_config": {
            "image_pull_policy": "Always",
            "is_readiness_probe_enabled": True,
            "is_liveness_probe_enabled": True,
            "readiness_probe": _probe(spec, "readiness_probe"),
            "liveness_probe": _probe(spec, "liveness_probe"),
        },
    }


def _arguments() -> list[str]:
    return [
        *("torchserve", "--start", "--foreground", "--ncs"),
        f"--model-store={MOUNT}/model-store",
        f"--ts-config={MOUNT}/config/config.properties",
        "--disable-token-auth",  # with tokens on, /ping answers 400 and the probes fail; TIR asks for its own
    ]


def _probe(spec: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Translate a probe of `az ml` into TIR's words."""
    given = mapping(spec, kind)
    values = {key: number(given, key, default, kind) for key, default in _PROBE_DEFAULTS.items()}
    return {
        "protocol": "http",
        "path": "/ping",
        "port": _INFERENCE_PORT,
        "initial_delay_seconds": values["initial_delay"],
        "period_seconds": values["period"],
        "timeout_seconds": values["timeout"],
        "success_threshold": values["success_threshold"],
        "failure_threshold": values["failure_threshold"],
        "grpc_service": "",
        "commands": "",
    }


def _environment(spec: Mapping[str, Any], experiment: Experiment) -> list[dict[str, Any]]:
    given = mapping(spec, "environment_variables")
    ours = {**experiment.labels, MODEL_TAG: experiment.archive.name}
    variables = {**{str(key): str(value) for key, value in given.items()}, **ours}
    return [_variable(key, value) for key, value in variables.items()]


def _variable(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": value, "required": False, "disabled": False}


def _policy(options: Options) -> dict[str, Any]:
    scale = options.auto_scale
    assert scale is not None
    rule: dict[str, Any] = {
        "metric": scale.metric,
        "condition_type": "limit",
        "value": scale.value,
        "watch_period": scale.watch_period,
    }
    if scale.custom_metric_name is not None:
        rule["custom_metric_name"] = scale.custom_metric_name
    return {
        "min_replicas": scale.min_replicas,
        "max_replicas": scale.max_replicas,
        "stability_period": str(scale.stability_period),
        "rules": [rule],
    }


def _encoded(words: list[str]) -> str:
    """Base64 of the list as Python writes it, which is what the vendor's own SDK sends."""
    return base64.b64encode(str(words).encode()).decode()


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
