"""The files TIR is given, held to golden ones; and what is refused before anything leaves this machine."""

from __future__ import annotations

import ast
import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mardock.archive.read import ModelArchive
from mardock.deploy import deployment_yaml, tir
from mardock.deploy.base import DeploymentName, Plan, Site
from mardock.deploy.experiment import Experiment
from mardock.deploy.provenance import Provenance
from mardock.engines import config_properties
from mardock.errors import ConfigError
from mardock.settings.schema import Serving

GOLDEN = Path(__file__).parent / "golden"
MINIMAL: dict[str, Any] = {"project_id": 42, "location": "Delhi", "sku_id": 7}
FULL: dict[str, Any] = {
    **MINIMAL,
    "image": "registry.e2enetworks.net/shop/torchserve:2",
    "registry_namespace_id": 12,
    "repository": "shop-models",
    "storage_type": "e2e_s3",
    "bucket": "shop",
    "folder": "",
    "auto_scale": {"max_replicas": 4, "metric": "custom", "custom_metric_name": "ts_queue_latency", "value": 50},
    "disk": {"size": 30, "mount_path": "/mnt/models"},
}
SPEC: dict[str, Any] = {
    "instance_count": 2,
    "environment_variables": {"OMP_NUM_THREADS": 2},
    "readiness_probe": {"initial_delay": 30, "timeout": 5},
    "liveness_probe": {"initial_delay": 120, "failure_threshold": 5},
}


def experiment(folder: Path, spec: dict[str, Any], *, requirements: bool = False) -> Experiment:
    path, own = folder / "mnist.mar", folder / "torchserve/mnist"
    path.write_bytes(b"an archive")
    own.mkdir(parents=True, exist_ok=True)
    (own / deployment_yaml.FILE).write_text(yaml.safe_dump(spec), encoding="utf-8")
    model = {"modelName": "mnist", "modelVersion": "1.0", **({"requirementsFile": "r.txt"} if requirements else {})}
    return Experiment(
        name="mnist",
        folder=Path("torchserve/mnist"),
        dockerfile=None,
        requirements=None,
        provenance=Provenance("0123456789abcdef0123456789abcdef01234567"),
        archive=ModelArchive(path, "mnist", "1.0", 10, {"model": model}, ()),
        serving=Serving(initial_workers=2, batch_size=4, response_timeout=60),
    )


def site(folder: Path, options: dict[str, Any], **environ: str) -> Site:
    return Site(folder, options, environ)


@pytest.mark.parametrize("case", ["minimal", "full"])
def test_files_are_the_golden_ones(tmp_path: Path, case: str) -> None:
    full = case == "full"
    made = experiment(tmp_path, SPEC if full else {"instance_type": "x"}, requirements=full)
    plan = tir.plan(site(tmp_path, FULL if full else MINIMAL), made, DeploymentName("digits"))
    wanted = {
        str(path.relative_to(GOLDEN / case)): path.read_text() for path in (GOLDEN / case).rglob("*") if path.is_file()
    }
    assert {**dict(plan.files), "steps.txt": "\n".join(plan.steps) + "\n"} == wanted


def rendered(folder: Path) -> Plan:
    return tir.plan(site(folder, MINIMAL), experiment(folder, {}), DeploymentName("digits"))


def test_torchserve_can_read_its_configuration(tmp_path: Path) -> None:
    text = dict(rendered(tmp_path).files)["config/config.properties"]
    properties = config_properties.parse(text)
    unknown = config_properties.check(properties, {})
    assert [line.partition(": ")[2] for line in unknown if "metrics_format" not in line] == []
    served = json.loads(properties["models"].value)["mnist"]["1.0"]
    assert (served["marName"], served["minWorkers"], served["batchSize"]) == ("mnist.mar", 2, 4)


def test_the_arguments_are_what_the_vendors_sdk_would_send(tmp_path: Path) -> None:
    detailed = json.loads(dict(rendered(tmp_path).files)["endpoint.json"])["detailed_info"]
    arguments = ast.literal_eval(base64.b64decode(detailed["args"]).decode())
    assert arguments[:3] == ["torchserve", "--start", "--foreground"]
    assert "--disable-token-auth" in arguments
    assert ast.literal_eval(base64.b64decode(detailed["commands"]).decode()) == []


def test_planning_needs_no_keys_and_shows_none(tmp_path: Path) -> None:
    keys = {"TIR_API_KEY": "secret-1", "TIR_TOKEN": "secret-2", "TIR_S3_SECRET_KEY": "secret-3"}
    plan = tir.plan(site(tmp_path, FULL, **keys), experiment(tmp_path, SPEC), DeploymentName("digits"))
    assert "secret" not in repr(plan) + repr(site(tmp_path, FULL, **keys))


@pytest.mark.parametrize(
    ("options", "spec", "name", "cause"),
    [
        ({"location": "Delhi"}, {}, DeploymentName("digits"), "lacks project_id"),
        ({**MINIMAL, "sku": 1}, {}, DeploymentName("digits"), "sku: Unexpected"),
        ({**MINIMAL, "sku_id": "big"}, {}, DeploymentName("digits"), "sku_id: Input should be a valid integer"),
        ({**MINIMAL, "bucket": "shop"}, {}, DeploymentName("digits"), "bucket belongs to"),
        ({**MINIMAL, "storage_type": "external"}, {}, DeploymentName("digits"), "bucket belongs to"),
        ({**MINIMAL, "auto_scale": {"value": 1}}, {}, DeploymentName("digits"), "lacks auto_scale.max_replicas"),
        (
            {**MINIMAL, "auto_scale": {"value": 1, "max_replicas": 1, "min_replicas": 2}},
            {},
            DeploymentName("digits"),
            "min_replicas 2 is above",
        ),
        (
            {**MINIMAL, "auto_scale": {"value": 1, "max_replicas": 1, "metric": "custom"}},
            {},
            DeploymentName("digits"),
            "belong together",
        ),
        ({**MINIMAL, "api_url": "ftp://tir"}, {}, DeploymentName("digits"), "api_url 'ftp://tir' is no http"),
        (MINIMAL, {}, DeploymentName("Digits_1"), "'Digits_1' is none that TIR takes"),
        (MINIMAL, {}, DeploymentName("d" * 64), "is none that TIR takes"),
        (MINIMAL, {}, DeploymentName("digits", "blue"), "has no deployments"),
        (MINIMAL, {"instance_count": 0}, DeploymentName("digits"), "instance_count .* is 0"),
        (
            MINIMAL,
            {"readiness_probe": {"period": "PT10S"}},
            DeploymentName("digits"),
            "readiness_probe.period .* 'PT10S'",
        ),
        (MINIMAL, {"liveness_probe": 3}, DeploymentName("digits"), "liveness_probe .* no mapping"),
        (MINIMAL, {"environment_variables": ["A"]}, DeploymentName("digits"), "no mapping"),
    ],
)
def test_what_tir_would_refuse_is_refused_here(
    tmp_path: Path, options: dict[str, Any], spec: dict[str, Any], name: DeploymentName, cause: str
) -> None:
    with pytest.raises(ConfigError, match=cause) as refused:
        tir.plan(site(tmp_path, options), experiment(tmp_path, spec), name)
    assert refused.value.hint


def test_the_environment_wins_over_the_table(tmp_path: Path) -> None:
    plan = tir.plan(site(tmp_path, MINIMAL, MARDOCK_TIR_SKU_ID="9"), experiment(tmp_path, {}), DeploymentName("digits"))
    assert json.loads(dict(plan.files)["endpoint.json"])["sku_id"] == 9


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TIR_TOKEN is not set"):
        tir.status(site(tmp_path, MINIMAL, TIR_API_KEY="k"), DeploymentName("digits"))
