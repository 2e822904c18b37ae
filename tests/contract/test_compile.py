"""What `mardock compile` keeps is what a real TorchServe serves: each candidate that has a file, and the bad inputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.projects import make_project
from tests.support.command import MARDOCK, environment, mardock, succeed
from tests.support.vision import vision_environment

from mardock.client.inference import InferenceClient
from mardock.engines.native import NativeEngine
from mardock.settings.project import Project

QUICK = ("--rounds", "3", "--threads", "1")
EXACT = ("script", "trace", "freeze", "aoti", "channels_last")
OTHER_NUMERICS = ("int8", "bf16", "bf16_channels_last")
WITHOUT_FILE = ("eager", "optimize", "compile", "export")
OPT_IN = "bf16,bf16_channels_last"

IMAGES = """
import torch
from torch import nn


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 6)

    def forward(self, x):
        return self.head(torch.relu(self.convolution(x)).mean((2, 3)))
"""
LINEAR = """
from torch import nn


class Linear(nn.Module):
    '''Without a convolution, what `optimize` makes can be written to a file.'''

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(768, 6)

    def forward(self, x):
        return self.head(x.flatten(1))
"""
HANDLER = """
import torch
from ts.torch_handler.base_handler import BaseHandler


class Scores(BaseHandler):
    def preprocess(self, requests):
        images = [torch.frombuffer(bytearray(request["body"]), dtype=torch.float32) for request in requests]
        return torch.stack(images).view(-1, 3, 16, 16)

    def postprocess(self, scores):
        return scores.tolist()
"""
SHAPES = {
    "images": {
        "convolution.weight": (4, 3, 3, 3),
        "convolution.bias": (4,),
        "head.weight": (6, 4),
        "head.bias": (6,),
    },
    "linear": {"head.weight": (6, 768), "head.bias": (6,)},
}
MODEL = """
[models.{name}]
sample = "datasets/images"
[models.{name}.archive]
model_file = "src/{name}.py"
serialized_file = "artifacts/{name}.pt"
handler = "handler.py"
"""
ZOO = """
import os
import signal

import torch
from torch import nn
from torch.nn import functional


class Halting(nn.Module):
    '''Cannot be scripted, for it asks the operating system; answers a dictionary.'''

    def forward(self, x):
        return {"scores": x * min(os.getpid(), 1), "twice": x * 2}


class Branching(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x * 3


class Noisy(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5)


class Crashing(nn.Module):
    '''Ends the process of whoever traces it.'''

    def forward(self, x):
        if torch.jit.is_tracing():
            os._exit(9)
        return x + 1


class Hanging(nn.Module):
    '''Is never done being traced, and says so to whoever started it.'''

    def forward(self, x):
        if torch.jit.is_tracing():
            os.write(int(os.environ["TOLD"]), b"tracing")
            while True:
                signal.pause()
        return x + 1


def resnet152():
    import torchvision
    return torchvision.models.resnet152(weights=None)


def densenet121():
    import torchvision
    return torchvision.models.densenet121(weights=None)
"""


@pytest.fixture(scope="module")
def project(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two models with random weights, compiled, and their server with eager as version 1.0 of both."""
    project = make_project(tmp_path_factory.mktemp("compile") / "project")
    root = project.root
    (root / "src" / "images.py").write_text(IMAGES, encoding="utf-8")
    (root / "src" / "linear.py").write_text(LINEAR, encoding="utf-8")
    (root / "handler.py").write_text(HANDLER, encoding="utf-8")
    (root / "mardock.toml").write_text("".join(MODEL.format(name=name) for name in SHAPES), encoding="utf-8")
    write_tensors(root)
    succeed(root, "compile", "images", "--with", OPT_IN, "--save", "all", *QUICK)
    succeed(root, "compile", "linear", "--only", "optimize", "--save", "optimize", *QUICK)
    for name in SHAPES:
        succeed(root, "archive", name)
    succeed(root, "up")
    yield project
    NativeEngine(project).down()


@pytest.fixture
def zoo(native: None, tmp_path: Path) -> Path:
    """A project whose models are modules alone."""
    root = make_project(tmp_path / "project").root
    (root / "src" / "zoo.py").write_text(ZOO, encoding="utf-8")
    return root


def write_tensors(root: Path) -> None:
    """Write the models' weights, and three images to score."""
    import torch

    torch.manual_seed(0)
    for name, shapes in SHAPES.items():
        torch.save({key: torch.randn(shape) / 4 for key, shape in shapes.items()}, root / "artifacts" / f"{name}.pt")
    (root / "datasets" / "images").mkdir()
    for number in range(3):
        image = torch.randn(3, 16, 16).numpy().tobytes()
        (root / "datasets" / "images" / f"{number}.bin").write_bytes(image)


def report_of(project: Project) -> dict[str, Any]:
    text = (project.root / "artifacts" / "compiled" / "images" / "report.json").read_text(encoding="utf-8")
    return {candidate["name"]: candidate for candidate in json.loads(text)["candidates"]}


def scores(project: Project, model: str, version: str) -> list[float]:
    """What a version answers to all images, one after another."""
    client = InferenceClient(NativeEngine(project).endpoint())
    images = sorted((project.root / "datasets" / "images").iterdir())
    answers = [client.predict(model, image.read_bytes(), version=version, timeout=120).body for image in images]
    return [score for answer in answers for score in json.loads(answer)]


@pytest.mark.parametrize(
    ("model", "name"), [("linear", "optimize"), *(("images", name) for name in (*EXACT, *OTHER_NUMERICS))]
)
def test_each_candidate_with_a_file_is_served_and_answers_as_eager_does(
    model: str, name: str, project: Project
) -> None:
    version = f"{2 + (*EXACT, *OTHER_NUMERICS, 'optimize').index(name)}.0"
    succeed(project.root, "archive", model, "--compiled", name, "--version", version)
    with zipfile.ZipFile(project.model_store / f"{model}.mar") as archive:
        members = set(archive.namelist())
    assert {"report.json", f"{name}.{'so' if name == 'aoti' else 'pt'}"} < members
    assert not members & {f"{model}.py", f"{model}.pt"}
    succeed(project.root, "register", model)

    expected = scores(project, model, "1.0")
    largest = max(map(abs, expected))
    difference = max(abs(a - b) for a, b in zip(expected, scores(project, model, version)))
    if name in OTHER_NUMERICS:
        assert 1e-6 * largest < difference < 0.05 * largest
    else:
        assert difference < 1e-5 * largest


def test_every_candidate_is_verified_and_timed_and_those_with_a_file_are_kept(project: Project) -> None:
    found = report_of(project)
    assert {name for name, candidate in found.items() if candidate["status"] == "verified"} == {*EXACT, *WITHOUT_FILE}
    assert {name for name, candidate in found.items() if candidate["status"] != "verified"} == {*OTHER_NUMERICS}
    assert {name for name, candidate in found.items() if candidate["file"]} == {*EXACT, *OTHER_NUMERICS}
    assert all(candidate["median_s"] > 0 and candidate["max_difference"] is not None for candidate in found.values())


@pytest.mark.parametrize("name", WITHOUT_FILE)
def test_what_torchserve_loads_no_file_of_is_not_archived(name: str, project: Project) -> None:
    refused = mardock(project.root, "archive", "images", "--compiled", name)
    assert (refused.code, f"TorchServe loads no file of {name}" in refused.err) == (2, True)
    assert refused.err.splitlines()[-1] == (
        "hint: what can be packed: script, trace, freeze, aoti, int8, channels_last, bf16, bf16_channels_last"
    )


def test_other_weights_than_those_compiled_are_not_archived_under_them(project: Project) -> None:
    weights = project.root / "artifacts" / "images.pt"
    before = weights.read_bytes()
    weights.write_bytes(before + b" ")
    refused = mardock(project.root, "archive", "images", "--compiled", "script")
    weights.write_bytes(before)
    assert (refused.code, "was compiled from other weights or code" in refused.err) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["resnet152", "densenet121"])
def test_large_networks_with_random_weights_are_verified(factory: str, zoo: Path) -> None:
    words = ("compile", "--module", f"zoo:{factory}", "--input-shape", "1x3x32x32", "--only", "freeze", *QUICK)
    found = succeed(zoo, *words, "--json", env=vision_environment()).json
    statuses = {candidate["name"]: candidate["status"] for candidate in found["candidates"]}
    assert statuses == dict.fromkeys(("eager", "freeze"), "verified")
    assert {"larger", "batch of 4"} < set(found["inputs"])


def test_a_model_that_cannot_be_scripted_says_why_and_is_offered_as_a_trace(zoo: Path) -> None:
    words = ("compile", "--module", "zoo:Halting", "--input-shape", "2x4", "--only", "script,trace", *QUICK)
    done = succeed(zoo, *words)
    script = next(line for line in done.out.splitlines() if line.startswith("script"))
    assert "failed" in script
    assert "zoo.py:" in script
    assert "its trace answers as eager does and can be served instead" in done.err


def test_a_trace_that_baked_in_a_branch_is_shown_and_not_kept(zoo: Path) -> None:
    words = ("compile", "--module", "zoo:Branching", "--input-shape", "2x4", "--only", "script,trace", *QUICK)
    refused = mardock(zoo, *words, "--save", "trace")
    trace = next(line for line in refused.out.splitlines() if line.startswith("trace"))
    assert (refused.code, "diverges" in trace) == (2, True)
    error, hint = refused.err.splitlines()[-2:]
    assert error.startswith("error: Branching: trace is not packed: diverges: ")
    assert hint == "hint: what can be packed: script"
    assert not (zoo / "artifacts" / "compiled").exists()


def test_a_candidate_that_dies_leaves_the_others_alone(zoo: Path) -> None:
    words = ("compile", "--module", "zoo:Crashing", "--input-shape", "1x4", "--only", "script,trace", *QUICK)
    found = {c["name"]: c for c in succeed(zoo, *words, "--json").json["candidates"]}
    assert (found["trace"]["status"], found["trace"]["reason"]) == ("failed", "its process ended with exit code 9")
    assert found["eager"]["median_s"] > 0


def test_a_model_that_is_not_deterministic_is_one_clear_error(zoo: Path) -> None:
    refused = mardock(zoo, "compile", "--module", "zoo:Noisy", "--input-shape", "1x4")
    error, hint = refused.err.splitlines()[-2:]
    assert (refused.code, refused.out) == (2, "")
    assert error.startswith("error: the model is not deterministic (sample: ")
    assert "forward draws random numbers (aten" in error
    assert "draw nothing at random in forward" in hint


def test_ctrl_c_ends_every_process_and_leaves_nothing(zoo: Path) -> None:
    told, tell = os.pipe()
    words = ("compile", "--module", "zoo:Hanging", "--input-shape", "1x4", "--only", "trace", "--save", "all")
    with subprocess.Popen(
        [*MARDOCK, *words],
        cwd=zoo,
        env=environment({"TOLD": str(tell)}),
        pass_fds=[tell],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        os.close(tell)
        assert os.read(told, 99) == b"tracing"
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=120)
    assert (command.returncode, out, err.splitlines()[-1]) == (130, "", "interrupted")
    assert os.read(told, 99) == b""  # nobody is left who could write there
    os.close(told)
    assert not (zoo / "artifacts" / "compiled").exists()
    assert [path.name for path in (zoo / ".mardock").iterdir()] == [".gitignore"]
