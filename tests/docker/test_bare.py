"""A stranger's project, which holds nothing of mardock's but mardock.toml, with mardock installed from its wheel.

It has a compose file of its own, and what that runs goes on as it was.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.docker.conftest import ROOT, dev_image, on_one_image
from tests.docker.derived import docker
from tests.support.command import Ended
from tests.support.images import unique_name
from tests.support.ports import free_ports
from tests.support.waiting import eventually

from mardock.engines.docker import containers
from mardock.engines.docker.containers import PORT_VARIABLES
from mardock.engines.docker.engine import DockerEngine
from mardock.settings.project import Project

FILES = {
    "mardock.toml": """
[models.cats]
sample = "samples"

[models.cats.train]
command = ["python", "tools/train.py"]
inputs = ["tools"]
outputs = ["weights/net.pt"]

[models.cats.archive]
handler = "handler.py"
model_file = "models/cats/net.py"
serialized_file = "weights/net.pt"
extra_files = ["code/labels.py"]
""",
    "handler.py": """
import torch
from labels import LABELS
from ts.torch_handler.base_handler import BaseHandler

class Cats(BaseHandler):
    def preprocess(self, data):
        return torch.stack([torch.full((4,), float(len(row["body"]))) for row in data])
    def postprocess(self, output):
        return [LABELS[int(row[0] > 20)] for row in output]
""",
    "models/cats/net.py": """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)
    def forward(self, x):
        return self.layer(x)
""",
    "code/labels.py": 'LABELS = ["small", "large"]\n',
    "tools/train.py": """
import pathlib, sys, torch
sys.path.append("models/cats")
from net import Net
net = Net()
torch.nn.init.ones_(net.layer.weight)
torch.nn.init.zeros_(net.layer.bias)
pathlib.Path("weights").mkdir(exist_ok=True)
torch.save(net.state_dict(), "weights/net.pt")
""",
    "samples/hello.txt": "hello",  # four times 5, and no more than 20
    "Dockerfile.dev": "FROM scratch\nCOPY nothing /\n",
    "constraints.txt": "torch==0.1\n",
    ".dockerignore": "!*\n",
    "data/large.bin": "x" * 5_000_000,
}
THEIRS = """
x-sleeping: &sleeping
  image: {image}
  entrypoint: [sleep, infinity]
  init: true
  stop_grace_period: 0s
services:
  db: *sleeping
  dev: *sleeping
  serve: *sleeping
"""


@dataclass(frozen=True)
class Stranger:
    """A project that is none of mardock's making, and the command that was installed."""

    folder: Path
    command: Path
    environment: Mapping[str, str]

    def mardock(self, *arguments: str) -> Ended:
        """Run one command, which has to succeed."""
        ended = self.run(str(self.command), *arguments)
        assert ended.code == 0, f"mardock {' '.join(arguments)}\n{ended.out}{ended.err}"
        return ended

    def compose(self, *arguments: str) -> str:
        """Run the user's own docker compose."""
        ended = self.run("docker", "compose", *arguments)
        assert ended.code == 0, ended.err
        return ended.out

    def run(self, *argv: str) -> Ended:
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def own_containers(self) -> set[str]:
        """The ids of what the user's own compose runs."""
        return set(self.compose("ps", "--quiet", "--status", "running").split())


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment with mardock's wheel; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    venv.create(folder / "venv")
    python = folder / "venv/bin/python"
    wheel = next(folder.glob("*.whl"))
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("-packages")))
    return folder / "venv/bin/mardock"


@pytest.fixture(scope="module")
def stranger(installed: Path, torchserve_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """The project, while its user's own containers run."""
    folder = tmp_path_factory.mktemp("strangers") / unique_name()
    settings = {
        "DB_PASSWORD": "s3cret",
        "TORCHSERVE_IMAGE": torchserve_image,
        "MARDOCK_DEV_IMAGE": dev_image(torchserve_image),
        **dict(zip(PORT_VARIABLES.values(), free_ports(len(PORT_VARIABLES)))),
    }
    env = "".join(f"{name}={value}\n" for name, value in settings.items())
    for name, text in {**FILES, ".env": env, "docker-compose.yml": THEIRS.format(image=torchserve_image)}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "wheels").mkdir()
    for certificate in (ROOT / "wheels").glob("*.crt"):
        shutil.copy(certificate, folder / "wheels")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    stranger = Stranger(folder, installed, {**kept, "MARDOCK_ENGINE": "docker"})
    try:
        stranger.compose("up", "--detach")
        yield stranger
    finally:
        DockerEngine(Project(folder)).down()
        stranger.compose("down")


@pytest.fixture(scope="module")
def walked(stranger: Stranger) -> Stranger:
    """The project once its model is served, all of it in containers."""
    built = stranger.mardock("dev", "build").err
    assert "DONE" in built or "Successfully built" in built
    ran = stranger.mardock("dev", "run").err
    assert "docker-compose.yml is none of mardock's and is left alone" in ran
    stranger.mardock("train")
    stranger.mardock("archive")
    stranger.mardock("up")
    return stranger


def test_the_whole_way_in_containers(walked: Stranger) -> None:
    assert walked.mardock("try", "cats", "samples/hello.txt").out == "small"
    assert "verified" in walked.mardock("compile", "cats", "--only", "script", "--rounds", "3").out
    assert walked.mardock("register").err.count("unchanged") == 1
    assert walked.mardock("predict", "cats").out == "small"
    assert walked.mardock("dev", "exec", "--", "mardock", "predict", "cats", "handler.py").out == "large"
    assert walked.mardock("serve", "run").err.count("runs already") == 1
    for command in ("dev", "serve"):
        for verb in ("stop", "start"):
            walked.mardock(command, verb)


def test_the_dev_container_runs_the_mardock_that_was_installed(walked: Stranger) -> None:
    same = walked.mardock("dev", "exec", "--", "mardock", "--version").out
    assert same == walked.mardock("--version").out
    names = walked.mardock("dev", "exec", "--", "ls", "/opt/mardock/mardock").out.split()
    assert "template" in names  # as in a wheel, and in no checkout


def test_doctor_finds_nothing_to_mend_in_its_containers(walked: Stranger, torchserve_image: str) -> None:
    lines = walked.mardock("doctor").out.splitlines()
    told = {name: finding for name, _, finding in (line.partition(": ") for line in lines)}
    assert f"{torchserve_image} (in use), of " in told["ok    image"]
    assert {"ok    docker engine", "ok    official image", "ok    own image", "ok    gpu", "ok    ports"} <= set(told)


@on_one_image
def test_nothing_is_added_to_the_project_but_what_it_is_served_from(walked: Stranger) -> None:
    made = {path.name for path in walked.folder.iterdir()} - {name.partition("/")[0] for name in FILES}
    assert made == {".env", ".mardock", "artifacts", "docker-compose.yml", "logs", "weights", "wheels"}
    user = os.getuid() or 1000
    for name in ("artifacts", "logs", "weights", "weights/net.pt", "artifacts/cats.mar"):
        assert (walked.folder / name).stat().st_uid == user, name
    for name, text in FILES.items():
        assert (walked.folder / name).read_text() == text


@on_one_image
def test_a_save_is_served_under_watch(walked: Stranger, tmp_path: Path) -> None:
    said = tmp_path / "said"
    labels = walked.folder / "code/labels.py"
    before = labels.read_text()
    walked.mardock("up")
    with said.open("wb") as file:
        argv = [str(walked.command), "watch", "cats"]
        child = subprocess.Popen(argv, cwd=walked.folder, env=walked.environment, stdout=file, stderr=file)
        try:
            eventually(lambda: b"watching" in said.read_bytes(), said.read_text)
            labels.write_text('LABELS = ["tiny", "huge"]\n')
            eventually(lambda: b"serves with labels.py" in said.read_bytes(), said.read_text)
            assert walked.mardock("predict", "cats").out == "tiny"
        finally:
            child.terminate()
            child.wait(60)
            labels.write_text(before)


@on_one_image
def test_the_user_s_own_compose_and_mardock_do_not_know_each_other(walked: Stranger) -> None:
    walked.mardock("up")
    theirs = walked.own_containers()
    assert len(theirs) == 3
    assert set(walked.compose("ps", "--all", "--services").split()) == {"db", "dev", "serve"}
    ours = set(docker("ps", "--quiet", "--no-trunc", "--filter", f"name={walked.folder.name}-mardock").split())
    assert len(ours) == 2
    walked.compose("down", "--remove-orphans")
    walked.compose("up", "--detach", "--remove-orphans")
    assert walked.mardock("predict", "cats").out == "small"
    theirs = walked.own_containers()
    walked.mardock("down")
    assert walked.own_containers() == theirs
    label = f"label={containers.PROJECT_LABEL}={walked.folder.name}-mardock"
    for kind in ("container", "network", "volume"):
        everything = ["--all"] if kind == "container" else []
        assert docker(kind, "ls", "--quiet", *everything, "--filter", label) == ""
    assert walked.mardock("dev", "rm").err.count("no such container") == 1
    assert walked.own_containers() == theirs
    walked.mardock("up")
    assert walked.mardock("predict", "cats").out == "small"
