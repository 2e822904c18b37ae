"""Ctrl-C half-way, by a real signal: what the command says then, and that the same command goes on where it was."""

from __future__ import annotations

import os

import pytest
from tests.deploy import cloud_parts, loud
from tests.deploy.azure_emulator import SECRETS, Azure
from tests.deploy.broken_wires import Cutter, Holder
from tests.deploy.conftest import git
from tests.deploy.seaweedfs import SECRET_KEY
from tests.deploy.tir_stub import API_KEY, TOKEN, Tir

from mardock.archive.build import build
from mardock.settings.project import Project

MIB = 1 << 20
ALL_SECRETS = (*SECRETS, cloud_parts.ACCOUNT_KEY, API_KEY, TOKEN, SECRET_KEY)
ON_TIR = ("--target", "tir", "--endpoint", "shop")


@pytest.fixture
def large(project: Project) -> Project:
    """The project with an archive of five parts of 8 MiB."""
    (project.root / "artifacts/weights.bin").write_bytes(os.urandom(39 * MIB))
    settings = project.root / "mardock.toml"
    more = 'version = "3"\nextra_files = ["artifacts/weights.bin"]'
    settings.write_text(settings.read_text(encoding="utf-8").replace('version = "3"', more), encoding="utf-8")
    git(project.root, "commit", "-qam", "weights")
    build(Project(project.root).settings.models["digits"].archive, project.root, project.model_store)
    return project


def interrupted(project: Project, *arguments: str, at: Holder | str) -> str:
    """Interrupt a command when the wire has fallen silent or a text was printed; it has to say how to go on."""
    when = at.silent.is_set if isinstance(at, Holder) else None
    told = loud.interrupted(
        project.root,
        "deploy",
        *arguments,
        when=lambda printed: when() if when else str(at) in printed,
        secrets=ALL_SECRETS,
    )
    assert "run this command again, and it goes on where it was\ninterrupted\n" in told
    return told


def again(project: Project, *arguments: str) -> str:
    return loud.mardock(project.root, "deploy", *arguments, secrets=ALL_SECRETS)


def test_an_endpoint_that_is_being_created_is_waited_for_again(azure_project: Project, azure: Azure) -> None:
    azure.looks = None
    interrupted(azure_project, "endpoint", "shop", at="endpoint shop: Creating")

    azure.release()
    again(azure_project, "endpoint", "shop")

    assert len([call for call in azure.calls if call.startswith("PUT") and call.endswith("/shop")]) == 1
    assert azure.resources["/onlineEndpoints/shop"]["properties"]["provisioningState"] == "Succeeded"


def test_an_upload_to_azure_sends_the_blocks_that_are_missing(
    large: Project, azure_project: Project, azure: Azure, blob_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Holder(blob_url, 20 * MIB) as wire:
        monkeypatch.setenv("MARDOCK_AZUREML_BLOB_URL", wire.url)
        interrupted(azure_project, "register", "digits", at=wire)
    assert not any(path.startswith("/models/") for path in azure.resources)

    with Cutter(blob_url, 30 * MIB) as cut:  # less than the whole: the two blocks cannot be sent again
        monkeypatch.setenv("MARDOCK_AZUREML_BLOB_URL", cut.url)
        again(azure_project, "register", "digits")
    assert "/models/digits/versions/3" in azure.resources


def test_an_upload_to_tir_sends_the_parts_that_are_missing(
    large: Project, tir_bucket: Tir, object_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Holder(object_store, 20 * MIB) as wire:
        monkeypatch.setenv("MARDOCK_TIR_OBJECT_STORE_URL", wire.url)
        interrupted(large, "apply", *ON_TIR, at=wire)
    assert tir_bucket.endpoints == {}

    with Cutter(object_store, 30 * MIB) as cut:
        monkeypatch.setenv("MARDOCK_TIR_OBJECT_STORE_URL", cut.url)
        again(large, "apply", *ON_TIR)
    assert [each["status"] for each in tir_bucket.endpoints.values()] == ["Running"]


def test_an_endpoint_of_tir_that_is_being_created_is_waited_for_again(project: Project, tir_bucket: Tir) -> None:
    tir_bucket.outcome = "Deploying"
    interrupted(project, "apply", *ON_TIR, at="endpoint shop: deploying")

    tir_bucket.finish()
    again(project, "apply", *ON_TIR)

    assert tir_bucket.calls.count("POST serving/inference/") == 1
