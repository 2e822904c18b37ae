"""`mardock deploy … --target tir` from end to end: the stub of the API, a real S3 server, and every logger open."""

from __future__ import annotations

import json
from pathlib import Path

from tests.deploy import loud
from tests.deploy.seaweedfs import SECRET_KEY
from tests.deploy.tir_stub import API_KEY, TOKEN, Tir

from mardock.settings.project import Project

ON = ("--target", "tir", "--endpoint", "shop")


def mardock(project: Project, *arguments: str, code: int = 0) -> str:
    return loud.mardock(project.root, "deploy", *arguments, *ON, code=code, secrets=(API_KEY, TOKEN, SECRET_KEY))


def test_an_experiment_lives_and_dies_on_tir(project: Project, tir_bucket: Tir, tmp_path: Path) -> None:
    planned = json.loads(mardock(project, "plan", "--json"))
    assert json.loads(planned["files"]["endpoint.json"])["path"] == "digits/3/"
    assert tir_bucket.calls == []

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


def test_what_goes_wrong_is_one_line_with_a_way_out(project: Project, tir_bucket: Tir) -> None:
    tir_bucket.outcome = "Failed"
    told = mardock(project, "apply", code=6)
    assert "the endpoint shop is failed" in told
    assert "No module named 'cv2'" in told
    tir_bucket.repositories[100]["bucket"]["secret_key"] = "wrong"
    assert "refuses the access key" in mardock(project, "apply", code=6)
