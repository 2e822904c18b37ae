"""A deployed model is asked like any other: predict, bench, invoke and metrics with --endpoint, on both clouds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.deploy import loud
from tests.deploy.azure_emulator import SECRETS, Azure
from tests.deploy.azure_rollout import deploy, planned, register
from tests.deploy.conftest import git
from tests.deploy.tir_stub import API_KEY, TOKEN, Tir
from tests.support.listeners import Heard

from mardock.client.inference import InferenceClient
from mardock.deploy import azureml
from mardock.deploy.base import DeploymentName, Site
from mardock.errors import ApiError, ConfigError, DeployError
from mardock.settings.project import Project

ON_AZURE = ("--target", "azureml", "--endpoint", "shop")
ON_TIR = ("--target", "tir", "--endpoint", "shop")
BRIEFLY = ("--warmup", "0", "--duration", "0.3", "--concurrency", "2", "--yes")
CATS = """
[models.cats]
sample = "cats.bin"
[models.cats.archive]
handler = "torchserve/digits/handler.py"
"""


@pytest.fixture
def sample(project: Project) -> Path:
    """A file to send, and two models in mardock.toml to choose from."""
    (project.root / "cats.bin").write_bytes(b"\x00\xff")
    with (project.root / "mardock.toml").open("a", encoding="utf-8") as settings:
        settings.write(CATS)
    git(project.root, "commit", "-qam", "two models")
    path = project.root.parent / "digit.png"
    path.write_bytes(b"\x89PNG")
    return path


@pytest.fixture
def shop(azure_project: Project, azure: Azure, site: Site, sample: Path, heard: Heard) -> Project:
    """An endpoint with all its traffic on blue, and green beside it."""
    register(azure, azure_project)
    for deployment in ("blue", "green"):
        deploy(site, planned(azure_project, site, DeploymentName("shop", deployment)), heard)
    azureml.set_traffic(site, "shop", {"blue": 100}, heard)
    return azure_project


@pytest.fixture
def tir(tir_cloud: Tir, sample: Path) -> Tir:
    """A running endpoint that serves digits."""
    variables = [{"key": "mardock_model", "value": "digits"}]
    details = {"resource_details": {"env_variables": variables}}
    tir_cloud.endpoints[100] = {"id": 100, "name": "shop", "status": "Running", "custom_endpoint_details": details}
    return tir_cloud


def mardock(project: Project, *arguments: str, code: int = 0) -> str:
    return loud.mardock(project.root, *arguments, code=code, secrets=(*SECRETS, API_KEY, TOKEN))


def measured(project: Project, *arguments: str) -> dict[str, Any]:
    """Run a bench; its report's files hold no secret either."""
    found: dict[str, Any] = json.loads(
        mardock(project, "bench", *arguments, *BRIEFLY, "--json", "--csv", "b.csv", "--html", "b.html")
    )
    told = "".join((project.root / name).read_text(encoding="utf-8") for name in ("b.csv", "b.html"))
    assert [secret for secret in (*SECRETS, API_KEY, TOKEN) if secret in told] == []
    return found


def test_a_deployment_is_benched_over_tls_before_it_gets_traffic(shop: Project, azure: Azure, sample: Path) -> None:
    report = measured(shop, "digits", str(sample), *ON_AZURE, "--deployment", "green")

    (run,) = report["runs"]
    assert (report["model"], run["errors"]) == ("model", {})
    assert len(azure.scored) > run["requests"] > 0
    assert set(azure.scored) == {"green"}


def test_calls_go_where_the_traffic_is_unless_a_deployment_is_named(shop: Project, azure: Azure, sample: Path) -> None:
    assert json.loads(mardock(shop, "predict", "digits", str(sample), *ON_AZURE))["deployment"] == "blue"
    green = (*ON_AZURE, "--deployment", "green")
    assert json.loads(mardock(shop, "predict", "digits", str(sample), *green))["deployment"] == "green"
    answer = json.loads(mardock(shop, "deploy", "invoke", str(sample), *green))
    assert answer == {"path": "/predictions/model", "deployment": "green", "bytes": 4}
    assert azure.scored == ["blue", "green", "green"]


def test_the_model_of_an_endpoint_need_not_be_named(shop: Project, azure: Azure, sample: Path) -> None:
    assert json.loads(mardock(shop, "deploy", "invoke", str(sample), *ON_AZURE))["deployment"] == "blue"
    assert "no file to send" in mardock(
        shop, "predict", *ON_AZURE, code=2
    )  # digits has no sample, and cats is not meant
    assert "digits is served there, not cats" in mardock(shop, "predict", "cats", *ON_AZURE, code=2)


def test_what_cannot_be_called_is_told_before_it_is(shop: Project, azure: Azure, site: Site) -> None:
    with pytest.raises(ConfigError, match="the endpoint shop has no deployment gren") as unknown:
        azureml.served(site, DeploymentName("shop", "gren"))
    assert unknown.value.hint == "it has: blue, green"
    azureml.set_traffic(site, "shop", {"blue": 0}, Heard())
    with pytest.raises(DeployError, match="no deployment of the endpoint shop gets traffic"):
        azureml.served(site, DeploymentName("shop"))
    assert azureml.served(site, DeploymentName("shop", "green")).models == ("digits",)


def test_a_key_that_is_refused_is_one_clear_error(shop: Project, azure: Azure, sample: Path) -> None:
    azure.key = "another"
    told = mardock(shop, "bench", "digits", str(sample), *ON_AZURE, *BRIEFLY, code=5)
    assert "refuses the token" in told
    assert azure.scored == []


def test_a_token_that_expires_is_replaced_while_its_client_lives(shop: Project, azure: Azure, site: Site) -> None:
    def asked() -> int:
        return sum(call.endswith("/onlineEndpoints/shop/token") for call in azure.calls)

    azure.resources["/onlineEndpoints/shop"]["properties"]["authMode"] = "AMLToken"
    azure.key, azure.refresh_after = SECRETS[0], time.time() - 1
    endpoint = azureml.served(site, DeploymentName("shop")).endpoint
    azure.key, azure.refresh_after = SECRETS[1], time.time() + 3600
    with InferenceClient(endpoint) as client:
        assert client.predict("model", b"x").content_type == "application/json"
        client.predict("model", b"x")
        assert asked() == 2
        azure.key = SECRETS[2]  # before its time: the service itself revoked it
        with pytest.raises(ApiError, match="HTTP 401"):
            client.predict("model", b"x")
        client.predict("model", b"x")
    assert (asked(), len(azure.scored)) == (3, 3)
    assert not any(secret in repr((endpoint, endpoint.credentials)) for secret in SECRETS)


@pytest.mark.parametrize("cloud", ["azureml", "tir"])
def test_metrics_that_cannot_be_had_are_one_clear_error(project: Project, cloud: str) -> None:
    told = mardock(project, "metrics", "--target", cloud, "--endpoint", "shop", code=6)
    assert "the endpoint shop passes predictions alone" in told
    assert "mardock bench --endpoint shop" in told


def test_an_endpoint_of_tir_says_which_of_two_models_it_serves(project: Project, tir: Tir, sample: Path) -> None:
    wanted = {"path": "/infer/100/predictions/digits", "bytes": 4}
    assert json.loads(mardock(project, "deploy", "invoke", str(sample), *ON_TIR)) == wanted
    assert json.loads(mardock(project, "predict", "digits", str(sample), *ON_TIR)) == wanted
    assert "digits is served there, not cats" in mardock(project, "predict", "cats", *ON_TIR, code=2)
    report = measured(project, "digits", str(sample), *ON_TIR)
    assert (report["model"], report["runs"][0]["errors"]) == ("digits", {})
    assert "has no deployments" in mardock(project, "predict", *ON_TIR, "--deployment", "blue", code=2)


def test_an_endpoint_that_mardock_did_not_deploy_asks_which_model(project: Project, tir: Tir, sample: Path) -> None:
    tir.endpoints[100]["custom_endpoint_details"] = {}
    assert "which model?" in mardock(project, "deploy", "invoke", str(sample), *ON_TIR, code=2)
    answer = json.loads(mardock(project, "deploy", "invoke", str(sample), *ON_TIR, "--model", "digits"))
    assert answer["path"].endswith("/predictions/digits")
    tir.endpoints[100]["status"] = "Stopped"
    assert "shop is Stopped and answers nobody" in mardock(project, "predict", "digits", str(sample), *ON_TIR, code=6)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["predict", "digits", "--deployment", "green"], "which endpoint?"),
        (["bench", "digits", "--target", "tir"], "which endpoint?"),
        (["bench", "digits", "--url", "http://127.0.0.1:1", *ON_TIR], "name two places"),
        (["metrics", "--endpoint", "shop"], "which cloud?"),
        (["metrics", "--endpoint", "shop", "--target", "sagemaker"], "no deploy target 'sagemaker'"),
    ],
)
def test_options_that_do_not_fit_are_refused(project: Project, arguments: list[str], told: str) -> None:
    assert told in mardock(project, *arguments, code=2)
