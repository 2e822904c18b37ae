"""`mardock deploy … --target tir` from end to end: the stub of the API, a real S3 server, and every logger open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from tests.conftest import Require
from tests.deploy import loud
from tests.deploy.seaweedfs import ACCESS_KEY, SECRET_KEY, seaweedfs
from tests.deploy.tir_stub import API_KEY, LOCATION, PROJECT, TOKEN, Tir
from tests.deploy.tir_stub import tir as run_stub

from mardock.settings.project import Project

ON = ("--target", "tir", "--endpoint", "shop")


@pytest.fixture
def stub(project: Project, require: Require, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tir]:
    """The cloud, and an environment that leads there."""
    folder = tmp_path / "seaweedfs"
    folder.mkdir()
    with seaweedfs(folder, missing=require) as url, run_stub() as running:
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
        boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys).create_bucket(Bucket="shop-models")
        running.bucket = {"bucket_name": "shop-models", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
        options = {
            "project_id": PROJECT,
            "location": LOCATION,
            "sku_id": 7,
            "api_url": f"{running.url}/api",
            "object_store_url": url,
            "inference_url": f"{running.url}/infer/{{endpoint_id}}",
            "poll_seconds": 0.01,
        }
        for key, value in options.items():
            monkeypatch.setenv(f"MARDOCK_TIR_{key.upper()}", str(value))
        monkeypatch.setenv("TIR_API_KEY", API_KEY)
        monkeypatch.setenv("TIR_TOKEN", TOKEN)
        yield running


def mardock(project: Project, *arguments: str, code: int = 0) -> str:
    return loud.mardock(project.root, "deploy", *arguments, *ON, code=code, secrets=(API_KEY, TOKEN, SECRET_KEY))


def test_an_experiment_lives_and_dies_on_tir(project: Project, stub: Tir, tmp_path: Path) -> None:
    planned = json.loads(mardock(project, "plan", "--json"))
    assert json.loads(planned["files"]["endpoint.json"])["path"] == "digits/3/"
    assert stub.calls == []

    mardock(project, "apply")
    status = json.loads(mardock(project, "status", "--json"))
    assert (status["state"], status["current"]) == ("Running", True)

    sample = tmp_path / "sample.bin"
    sample.write_bytes(b"\x00\xff")
    assert json.loads(mardock(project, "invoke", str(sample))) == {
        "path": "/infer/100/predictions/digits",
        "bytes": 2,
    }
    assert "No module named 'cv2'" in mardock(project, "logs", "--tail", "1")
    assert "may be in use" in mardock(project, "destroy", code=6)
    mardock(project, "destroy", "--drain")
    assert json.loads(mardock(project, "status", "--json"))["state"] == "absent"


def test_what_goes_wrong_is_one_line_with_a_way_out(project: Project, stub: Tir) -> None:
    stub.outcome = "Failed"
    told = mardock(project, "apply", code=6)
    assert "the endpoint shop is failed" in told
    assert "No module named 'cv2'" in told
    stub.repositories[100]["bucket"]["secret_key"] = "wrong"
    assert "refuses the access key" in mardock(project, "apply", code=6)
