"""What the deploy tests share: a committed project, a Listener that remembers, and the parts of a cloud."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from azure.storage.blob import ContainerClient
from tests.conftest import Require
from tests.deploy import azure_emulator, cloud_parts, seaweedfs, tir_stub
from tests.support.listeners import Heard

from mardock.archive.build import build
from mardock.deploy import deployment_yaml
from mardock.deploy.base import Site
from mardock.settings.project import Project

TOML = """
[models.digits.archive]
handler = "torchserve/digits/handler.py"
version = "3"

[models.digits.serving]
startup_timeout = 90
"""
SPEC = """
instance_type: Standard_DS3_v2
instance_count: 2
request_settings:
  request_timeout_ms: 30000
readiness_probe:
  initial_delay: 20
"""


def git(root: Path, *arguments: str) -> None:
    """Run git as somebody, at a fixed time, so that a commit's name depends on its content alone."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    date = "2026-01-01T00:00:00Z"
    environ = {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, env=environ)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A committed project in a subfolder of its repository, its model archived as version 3."""
    root = tmp_path / "repository" / "project"
    folder = root / "torchserve" / "digits"
    folder.mkdir(parents=True)
    (root / "mardock.toml").write_text(TOML, encoding="utf-8")
    (root / ".gitignore").write_text("artifacts/\n.mardock/\n", encoding="utf-8")
    (root / "torchserve/config.properties").write_text("inference_address=http://0.0.0.0:8080\n", encoding="utf-8")
    (folder / "handler.py").write_text("def handle(data, context):\n    return data\n", encoding="utf-8")
    (folder / deployment_yaml.FILE).write_text(SPEC, encoding="utf-8")
    made = Project(root)
    made.model_store.mkdir()
    build(made.settings.models["digits"].archive, root, made.model_store)
    git(root.parent, "init", "-q")
    git(root.parent, "add", ".")
    git(root.parent, "commit", "-qm", "first")
    return made


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="session")
def blob_url(require: Require, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real blob store's URL, with the container the workspace names."""
    program = cloud_parts.azurite_program()
    if program is None:
        require("azurite", "npm install azurite, and MARDOCK_AZURITE names the folder")
    with cloud_parts.azurite(program, tmp_path_factory.mktemp("azurite")) as url:
        credential = {"account_name": cloud_parts.ACCOUNT, "account_key": cloud_parts.ACCOUNT_KEY}
        ContainerClient(url, "models", credential=credential).create_container()
        yield url


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[azure_emulator.Azure]:
    """An empty workspace, and the login to it in the environment."""
    certificate, key = cloud_parts.certificate(tmp_path)
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, str(certificate))
    monkeypatch.setenv("AZURE_TENANT_ID", azure_emulator.TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", "client")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", azure_emulator.CLIENT_SECRET)
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")  # the SDK overwrites it: restored with the others
    storage = {"account": cloud_parts.ACCOUNT, "key": cloud_parts.ACCOUNT_KEY, "container": "models"}
    with azure_emulator.serving(azure_emulator.Azure(storage=storage), certificate, key) as running:
        yield running


@pytest.fixture
def azure_options(azure: azure_emulator.Azure) -> dict[str, Any]:
    """The `[deploy.azureml]` table that leads to the emulator; nothing answers at its blob store and its registry."""
    return {
        "subscription_id": "sub",
        "resource_group": "group",
        "workspace": "space",
        "registry": "127.0.0.1:9",
        "resource_manager_url": azure.url,
        "authority_url": azure.url,
        "blob_url": f"http://127.0.0.1:9/{cloud_parts.ACCOUNT}",
        "poll_seconds": 0.05,
        "timeout": 60,
    }


@pytest.fixture
def site(project: Project, azure_options: dict[str, Any]) -> Site:
    """Where the emulator is, for a project."""
    return Site(project.root, azure_options, dict(os.environ))


@pytest.fixture
def azure_project(project: Project, azure_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of which the environment says where the emulator is, also to commands of their own process."""
    for key, value in azure_options.items():
        monkeypatch.setenv(f"MARDOCK_AZUREML_{key.upper()}", str(value))
    return project


@pytest.fixture(scope="session")
def object_store(require: Require, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server's URL."""
    with seaweedfs.seaweedfs(tmp_path_factory.mktemp("seaweedfs"), missing=require) as url:
        yield url


@pytest.fixture
def tir_cloud(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[tir_stub.Tir]:
    """TIR without endpoints and buckets, and an environment that leads a project's commands there."""
    with tir_stub.tir() as running:
        options = {
            "project_id": tir_stub.PROJECT,
            "location": tir_stub.LOCATION,
            "sku_id": 7,
            "api_url": f"{running.url}/api",
            "inference_url": f"{running.url}/infer/{{endpoint_id}}",
            "poll_seconds": 0.01,
        }
        for key, value in options.items():
            monkeypatch.setenv(f"MARDOCK_TIR_{key.upper()}", str(value))
        monkeypatch.setenv("TIR_API_KEY", tir_stub.API_KEY)
        monkeypatch.setenv("TIR_TOKEN", tir_stub.TOKEN)
        yield running


@pytest.fixture
def tir_bucket(tir_cloud: tir_stub.Tir, object_store: str, monkeypatch: pytest.MonkeyPatch) -> tir_stub.Tir:
    """The same with a bucket of its own in a real S3 server."""
    keys = {"aws_access_key_id": seaweedfs.ACCESS_KEY, "aws_secret_access_key": seaweedfs.SECRET_KEY}
    bucket = f"shop-{random.getrandbits(48):x}"
    boto3.client("s3", endpoint_url=object_store, region_name="us-east-1", **keys).create_bucket(Bucket=bucket)
    tir_cloud.bucket = {
        "bucket_name": bucket,
        "access_key": seaweedfs.ACCESS_KEY,
        "secret_key": seaweedfs.SECRET_KEY,
    }
    monkeypatch.setenv("MARDOCK_TIR_OBJECT_STORE_URL", object_store)
    return tir_cloud
