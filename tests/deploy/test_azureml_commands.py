"""`mardock deploy … --target azureml` from end to end: a real build, a real registry and a real blob store."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Require
from tests.deploy import cloud_parts, loud
from tests.deploy.azure_emulator import REFRESH_TOKEN, SECRETS, TENANT, Azure

from mardock.engines.docker.daemon import engine_answers, sdk
from mardock.settings.project import Project

WRONG_PASSWORD = "registry-password-never-shown"
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def registry(require: Require, tmp_path: Path) -> Iterator[str]:
    if not engine_answers():
        require("docker", "no Docker Engine answers")
    if cloud_parts.registry_program() is None:
        require("registry", "docker-registry is not installed")
    folder = tmp_path / "registry"
    folder.mkdir()
    with cloud_parts.registry(folder, NOBODY, REFRESH_TOKEN) as address:
        yield address
    with sdk() as client:
        for image in client.images.list(f"{address}/digits"):
            for tag in image.tags:
                if tag.startswith(address):
                    client.images.remove(tag)


def mardock(project: Project, *arguments: str, code: int = 0) -> str:
    group = [] if arguments[0] == "predict" else ["deploy"]
    secrets = (*SECRETS, cloud_parts.ACCOUNT_KEY, WRONG_PASSWORD)
    return loud.mardock(project.root, *group, *arguments, code=code, secrets=secrets)


@pytest.fixture
def deployable(
    azure_project: Project, azure: Azure, blob_url: str, registry: str, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A project whose settings, given by the environment, lead to parts that all answer."""
    for key, value in {"blob_url": blob_url, "registry": registry, "registry_url": azure.url}.items():
        monkeypatch.setenv(f"MARDOCK_AZUREML_{key.upper()}", value)
    monkeypatch.setenv("TORCHSERVE_IMAGE", "debian:bookworm-slim")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return azure_project


@pytest.mark.timeout(600)
def test_from_the_commit_to_an_answer_and_away(deployable: Project, azure: Azure, tmp_path: Path) -> None:
    where = ("--target", "azureml", "--endpoint", "shop")
    blue = (*where, "--deployment", "blue")
    digit = tmp_path / "digit.png"
    digit.write_bytes(b"\x89PNG")

    assert "instance_type: Standard_DS3_v2" in mardock(deployable, "plan", *blue)
    assert azure.calls == []
    mardock(deployable, "apply", "digits", *blue, "--version", "3")
    pushed = len(azure.calls)
    mardock(deployable, "build", "digits")  # the registry has it
    assert not any("oauth2/exchange" not in call and TENANT not in call for call in azure.calls[pushed:])
    assert "gets" not in mardock(deployable, "logs", *blue)
    mardock(deployable, "traffic", "blue=100", "--endpoint", "shop")

    found = json.loads(mardock(deployable, "status", *blue, "--json"))
    assert (found["state"], found["current"], found["details"]["traffic"]) == ("Succeeded", True, "100%")
    (deployable.root / "notes.txt").touch()
    assert json.loads(mardock(deployable, "status", *blue, "--json"))["current"] is False
    assert "1 file differs from" in mardock(deployable, "apply", *blue, code=6)

    answer = json.loads(mardock(deployable, "invoke", str(digit), *where))
    assert answer == {"path": "/predictions/model", "deployment": "blue", "bytes": 4}
    assert mardock(deployable, "predict", "digits", str(digit), str(digit), *where).count('"blue"') == 2
    assert "gets 100% of the traffic" in mardock(deployable, "destroy", *blue, code=6)
    assert "adds up to 110" in mardock(deployable, "traffic", "blue=110", "--endpoint", "shop", code=2)
    mardock(deployable, "destroy", *where, "--drain")
    assert json.loads(mardock(deployable, "status", *where, "--json"))["state"] == "absent"


def test_a_wrong_login_to_the_registry_is_refused(deployable: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARDOCK_REGISTRY_USER", "somebody")
    monkeypatch.setenv("MARDOCK_REGISTRY_PASSWORD", WRONG_PASSWORD)

    assert "the registry does not take or give" in mardock(deployable, "build", "digits", code=3)
