"""The Azure ML flow with the vendor's SDK: against the emulator of the control plane and a real blob store."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import os
import traceback
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from tests.deploy import cloud_parts
from tests.deploy.azure_emulator import ENDPOINT_KEY, SECRETS, Azure
from tests.deploy.azure_rollout import deploy, planned, register
from tests.deploy.conftest import git
from tests.support.listeners import Heard

from mardock.archive.build import build
from mardock.deploy import azureml, experiment
from mardock.deploy.azureml import blobs
from mardock.deploy.base import DeploymentName, Site
from mardock.errors import ConfigError, DeployError
from mardock.settings.project import Project

BLUE, GREEN = DeploymentName("shop", "blue"), DeploymentName("shop", "green")
QUOTA = "OutOfQuota: Not enough quota available for Standard_DS3_v2"


@pytest.fixture
def store(site: Site, blob_url: str) -> Site:
    """A site whose blob store answers."""
    return dataclasses.replace(site, options={**site.options, "blob_url": blob_url})


def traffic(azure: Azure) -> dict[str, int]:
    found: dict[str, int] = azure.resources["/onlineEndpoints/shop"]["properties"]["traffic"]
    return found


def test_blue_and_green_from_the_first_upload_to_the_last_deletion(
    project: Project, store: Site, azure: Azure, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    plan = planned(project, store, BLUE)
    azureml.register_model(store, plan.experiment, heard)
    deploy(store, plan, heard)
    azureml.set_traffic(store, "shop", {"blue": 100}, heard)

    status = azureml.status(store, BLUE)
    assert (status.state, status.details["traffic"], status.details["model"]) == ("Succeeded", "100%", "digits:3")
    assert (status.commit, status.digest) == (plan.experiment.provenance.commit, plan.experiment.archive.sha256)

    deploy(store, planned(project, store, GREEN), heard)
    assert azureml.status(store, GREEN).details["traffic"] == "0%"
    azureml.set_traffic(store, "shop", {"blue": 90, "green": 10}, heard)
    assert traffic(azure) == {"blue": 90, "green": 10}
    assert list(azureml.logs(store, BLUE, tail=1)) == ["model-server started"]
    assert azureml.served(store, BLUE).endpoint.credentials.inference() == ENDPOINT_KEY

    with pytest.raises(DeployError, match="gets 90% of the traffic"):
        azureml.destroy(store, BLUE, heard, drain=False)
    azureml.destroy(store, BLUE, heard, drain=True)
    assert traffic(azure) == {"green": 100}
    assert azureml.status(store, BLUE).state == "absent"
    with pytest.raises(DeployError, match="serves traffic: green 100%"):
        azureml.destroy(store, DeploymentName("shop"), heard, drain=False)
    azureml.destroy(store, DeploymentName("shop"), heard, drain=True)
    assert not [path for path in azure.resources if "onlineEndpoints" in path]
    azureml.destroy(store, DeploymentName("shop"), heard, drain=False)
    assert heard.notes[-1] == "there is no endpoint shop"

    told = "\n".join([caplog.text, *heard.notes, *(text for _, text in plan.files), repr(azureml)])
    assert [secret for secret in (*SECRETS, cloud_parts.ACCOUNT_KEY) if secret in told] == []


def test_a_version_is_uploaded_once_and_refused_with_other_content(
    project: Project, store: Site, azure: Azure, heard: Heard
) -> None:
    found = experiment.load(project, "digits", allow_dirty=False)
    azureml.register_model(store, found, heard)
    azureml.register_model(store, found, heard)
    assert heard.notes[-1] == "version 3 of the model digits is registered already"
    assert azure.resources["/models/digits/versions/3"]["properties"]["tags"] == found.labels

    (project.root / "torchserve/digits/handler.py").write_text("def handle(data, context):\n    return []\n")
    build(project.settings.models["digits"].archive, project.root, project.model_store)
    with pytest.raises(DeployError, match="version 3 of the model digits exists with other content"):
        azureml.register_model(store, experiment.load(project, "digits", allow_dirty=True), heard)


def test_a_signature_for_the_blob_store_is_in_no_log_line_and_no_error(
    project: Project, store: Site, azure: Azure, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    azure.storage["sas"] = generate_account_sas(
        cloud_parts.ACCOUNT,
        cloud_parts.ACCOUNT_KEY,
        ResourceTypes(object=True),
        AccountSasPermissions(read=True, write=True, create=True),
        datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1),
    )
    (signature,) = parse_qs(azure.storage["sas"])["sig"]
    found = experiment.load(project, "digits", allow_dirty=False)
    azureml.register_model(store, found, heard)
    assert "/models/digits/versions/3" in azure.resources

    del azure.resources["/models/digits/versions/3"]
    azure.storage["sas"] = azure.storage["sas"].replace("sp=rwc", "sp=r")  # so that the signature is of something else
    with pytest.raises(DeployError, match="Azure answered 403") as refused:
        azureml.register_model(store, found, heard)
    told = "\n".join([caplog.text, *heard.notes, *traceback.format_exception(refused.value)])
    assert "&sig=" in told
    assert [spelled for spelled in (signature, quote(signature, safe="")) if spelled in told] == []


def test_an_interrupted_upload_goes_on_where_it_was(
    project: Project, store: Site, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "BLOCK", 1 << 10)
    (project.root / "torchserve/digits/weights.bin").write_bytes(os.urandom(8 << 10))
    text = (project.root / "mardock.toml").read_text()
    (project.root / "mardock.toml").write_text(
        text.replace('version = "3"', 'version = "3"\nextra_files = ["torchserve/digits/weights.bin"]')
    )
    fresh = Project(project.root)
    build(fresh.settings.models["digits"].archive, fresh.root, fresh.model_store)
    found = experiment.load(fresh, "digits", allow_dirty=True)

    def interrupt(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    heard.on_advance = interrupt
    with pytest.raises(KeyboardInterrupt):
        azureml.register_model(store, found, heard)

    sent = Sent(monkeypatch)
    azureml.register_model(store, found, Heard())
    assert 0 < sent.blocks < 6  # of the nine or more that the archive has


class Sent:
    """Counts the blocks that go over the wire."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from azure.storage.blob import BlobClient

        self.blocks = 0
        stage = BlobClient.stage_block

        def counted(client: BlobClient, *arguments: Any, **options: Any) -> Any:
            self.blocks += 1
            return stage(client, *arguments, **options)

        monkeypatch.setattr(BlobClient, "stage_block", counted)


def test_a_failed_deployment_brings_its_containers_log_and_leaves_the_other(
    project: Project, site: Site, azure: Azure, heard: Heard
) -> None:
    register(azure, project)
    deploy(site, planned(project, site, BLUE), heard)
    azureml.set_traffic(site, "shop", {"blue": 100}, heard)
    before = azure.resources["/onlineEndpoints/shop/deployments/blue"]
    azure.outcome = ("Failed", "ContainerCrash", "the container ended with code 1")
    azure.log = "ModuleNotFoundError: No module named 'cv2'\n"

    with pytest.raises(DeployError, match=r"shop/green failed: Azure failed: .*the container ended") as failed:
        deploy(site, planned(project, site, GREEN), heard)

    assert failed.value.details == "ModuleNotFoundError: No module named 'cv2'"
    assert azure.resources["/onlineEndpoints/shop/deployments/blue"] == before
    assert traffic(azure) == {"blue": 100}
    with pytest.raises(DeployError, match="green is Failed"):
        azureml.set_traffic(site, "shop", {"green": 100}, heard)


def test_a_quota_that_ends_a_deployment_is_told_as_such(
    project: Project, site: Site, azure: Azure, heard: Heard
) -> None:
    register(azure, project)
    azure.outcome = ("Failed", "OutOfQuota", "Not enough quota available for Standard_DS3_v2")

    with pytest.raises(DeployError, match="Azure has no room: OutOfQuota") as refused:
        deploy(site, planned(project, site, BLUE), heard)

    assert "smaller instance_type" in (refused.value.hint or "")


def test_what_is_not_there_is_named(site: Site, azure: Azure, heard: Heard) -> None:
    with pytest.raises(DeployError, match="there is no endpoint shop"):
        azureml.set_traffic(site, "shop", {"blue": 100}, heard)
    with pytest.raises(DeployError, match="there is no endpoint shop"):
        azureml.served(site, BLUE)
    azureml.create_endpoint(site, "shop", heard)
    with pytest.raises(DeployError, match="there is no deployment shop/blue"):
        list(azureml.logs(site, BLUE, tail=1))
    azureml.destroy(site, BLUE, heard, drain=False)
    assert heard.notes[-1] == "there is no deployment shop/blue"


def test_live_traffic_is_not_changed_under_it(project: Project, site: Site, azure: Azure, heard: Heard) -> None:
    register(azure, project)
    deploy(site, planned(project, site, BLUE), heard)
    azureml.set_traffic(site, "shop", {"blue": 100}, heard)
    (project.root / "notes.txt").touch()
    git(project.root, "add", ".")
    git(project.root, "commit", "-qm", "second")

    with pytest.raises(DeployError, match="serves 100% of the traffic"):
        deploy(site, planned(project, site, BLUE), heard)
    with pytest.raises(DeployError, match="serves 100% of the traffic"):  # before an image is built, or asked for
        azureml.apply(site, planned(project, site, BLUE), heard)


def test_an_operation_that_never_ends_is_found_again_by_the_same_command(
    project: Project, site: Site, azure: Azure, heard: Heard
) -> None:
    register(azure, project)
    azureml.create_endpoint(site, "shop", heard)
    azure.looks = None
    impatient = dataclasses.replace(site, options={**site.options, "timeout": 0.5})
    plan = planned(project, site, BLUE)
    with pytest.raises(DeployError, match=r"blue is still Creating after 0\.5 s"):
        deploy(impatient, plan, heard)

    azure.release()
    deploy(site, plan, heard)

    assert len([call for call in azure.calls if call.startswith("PUT") and call.endswith("/blue")]) == 1
    assert azureml.status(site, BLUE).state == "Succeeded"


@pytest.mark.parametrize(
    ("status", "code", "message", "hint"),
    [
        (400, "OutOfQuota", "no room: .*quota", "quota"),
        (401, "InvalidAuthenticationToken", "answered 401", "az login"),
        (403, "AuthorizationFailed", "answered 403", "role"),
        (404, "ResourceNotFound", "answered 404", "workspace"),
        (409, "Conflict", "answered 409", "wait"),
        (429, "TooManyRequests", r"answered 429: .*\(again in 1 s\)", "later"),
        (500, "InternalServerError", "answered 500", "again"),
    ],
)
def test_says_what_a_refusal_asks_for(
    site: Site, azure: Azure, heard: Heard, status: int, code: str, message: str, hint: str
) -> None:
    fault = {"headers": {"Retry-After": "1"}} if status == 429 else {}
    azure.fail(
        "PUT", "/onlineEndpoints/", status, code=code, message=QUOTA if status == 400 else "no", times=99, **fault
    )

    with pytest.raises(DeployError, match=message) as refused:
        azureml.create_endpoint(site, "shop", heard)

    assert hint in (refused.value.hint or "")


@pytest.mark.parametrize("status", [429, 503, None])
def test_what_passes_is_tried_again(site: Site, azure: Azure, heard: Heard, status: int | None) -> None:
    azure.fail("GET", "/onlineEndpoints/", status, times=2)
    if status is not None:  # a PUT cut short may have arrived: it is not sent again
        azure.fail("PUT", "/onlineEndpoints/", status, times=1)

    azureml.create_endpoint(site, "shop", heard)

    assert azure.resources["/onlineEndpoints/shop"]["properties"]["provisioningState"] == "Succeeded"


def test_a_connection_cut_half_way_is_reported(site: Site, azure: Azure) -> None:
    azure.fail("GET", "/onlineEndpoints/", None, times=99)

    with pytest.raises(DeployError, match="the connection to Azure failed"):
        azureml.status(site, BLUE)


def test_a_wrong_secret_is_no_login(site: Site, azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong-and-not-shown")

    with pytest.raises(DeployError, match="no login to Azure") as refused:
        azureml.status(site, BLUE)

    assert "wrong-and-not-shown" not in f"{refused.value.message}{refused.value.details}"


@pytest.mark.parametrize("shares", [{"blue": 90, "green": 11}, {"blue": 99}, {"blue": 110, "green": -10}])
def test_traffic_adds_up(site: Site, azure: Azure, heard: Heard, shares: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="adds up to"):
        azureml.set_traffic(site, "shop", shares, heard)

    assert azure.calls == []


def test_traffic_goes_to_what_is_there(site: Site, azure: Azure, heard: Heard) -> None:
    azureml.create_endpoint(site, "shop", heard)

    with pytest.raises(ConfigError, match="shop has no deployment blue"):
        azureml.set_traffic(site, "shop", {"blue": 100}, heard)
