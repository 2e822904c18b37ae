"""Without the extra, uploading says what to install, and planning does not ask for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.unit.deploy.tir.test_render import rendered

from mardock import extras
from mardock.deploy.object_store import Bucket, ObjectStore
from mardock.errors import DeployError


def test_a_missing_boto3_names_the_pip_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("boto3", "botocore"):
        monkeypatch.setitem(sys.modules, name, None)
    assert rendered(tmp_path).files
    with pytest.raises(DeployError, match="boto3") as raised:
        ObjectStore(Bucket("http://127.0.0.1:1", "models", "key", "secret"))
    assert raised.value.hint == extras.how_to_add("tir")
