"""What `mardock compile` keeps is what a real TorchServe serves: the example model in each form, and its bad inputs."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.projects import REPOSITORY, make_project
from tests.support.command import mardock, succeed
from tests.support.vision import vision_environment

from mardock import process
from mardock.engines.native import NativeEngine
from mardock.settings.project import Project

SAMPLES = "datasets/MNIST/sample_images"
QUICK = ("--rounds", "3", "--threads", "1")
KEPT = ("script", "trace", "freeze", "channels_last", "aoti")
ZOO = """
import torch
from torch import nn
from torch.nn import functional


class Halting(nn.Module):
    '''Cannot be scripted, for it asks the operating system; answers a dictionary.'''

    def forward(self, x):
        import os
        return {"scores": x * len(os.sep), "twice": x * 2}


class Noisy(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5)


class Undefined(nn.Module):
    def forward(self, x):
        return torch.log(x)


class Crashing(nn.Linear):
    '''Ends the process of whoever traces it.'''

    def forward(self, x):
        if torch.jit.is_tracing():
            import os
            os._exit(9)
        return super().forward(x)


def crashing():
    return Crashing(4, 2)


def resnet152():
    import torchvision
    return torchvision.models.resnet152(weights=None)


def densenet121():
    import torchvision
    return torchvision.models.densenet121(weights=None)
"""


@pytest.fixture(scope="module")
def mnist(native: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The example project with weights of one epoch, compiled, and its server with eager as version 1.0."""
    project = make_project(tmp_path_factory.mktemp("compile") / "project")
    for name in ("src/character_recognizer", "torchserve/mnist", "datasets/MNIST"):
        shutil.copytree(REPOSITORY / name, project.root / name)
    shutil.copy(REPOSITORY / "mardock.toml", project.root)
    train = [sys.executable, "src/character_recognizer/train.py", "--epochs", "1", "--threads", "1"]
    assert process.run(train, cwd=project.root, timeout=120).returncode == 0
    names = ",".join(KEPT)
    succeed(project.root, "compile", "--only", names, "--save", "all", *QUICK)
    succeed(project.root, "archive")
    succeed(project.root, "up")
    yield project
    NativeEngine(project).down()


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose models are modules alone."""
    project = make_project(tmp_path_factory.mktemp("zoo") / "project")
    (project.root / "src" / "zoo.py").write_text(ZOO, encoding="utf-8")
    return project.root


def report_of(project: Project) -> dict[str, Any]:
    text = (project.root / "artifacts" / "compiled" / "mnist" / "report.json").read_text(encoding="utf-8")
    return {candidate["name"]: candidate for candidate in json.loads(text)["candidates"]}


def digits(project: Project, version: str) -> list[str]:
    found = succeed(project.root, "predict", "mnist", SAMPLES, "--version", version, "--json").json
    return [answer["prediction"] for answer in found]


@pytest.mark.parametrize(("number", "name"), list(enumerate(KEPT, 2)))
def test_each_kept_candidate_is_served_and_answers_as_eager_does(number: int, name: str, mnist: Project) -> None:
    version = f"{number}.0"
    succeed(mnist.root, "archive", "mnist", "--compiled", name, "--version", version)
    with zipfile.ZipFile(mnist.model_store / "mnist.mar") as archive:
        members = set(archive.namelist())
    assert {"report.json", Path(report_of(mnist)[name]["file"]).name} < members
    assert not members & {"mnist.py", "mnist_cnn.pt"}
    succeed(mnist.root, "register", "mnist")
    expected = digits(mnist, "1.0")
    assert len(set(expected)) > 5
    assert digits(mnist, version) == expected


def test_the_report_says_all_of_each_candidate(mnist: Project) -> None:
    for name in KEPT:
        found = report_of(mnist)[name]
        assert found["verified"]
        assert found["servable"]
        assert found["median_s"] > 0
        assert found["max_difference"] < 1e-3
    assert report_of(mnist)["eager"]["gain"] is None


def test_other_weights_than_those_compiled_are_not_archived_under_them(mnist: Project) -> None:
    weights = mnist.root / "artifacts" / "mnist_cnn.pt"
    before = weights.read_bytes()
    weights.write_bytes(before + b" ")
    refused = mardock(mnist.root, "archive", "mnist", "--compiled", "script")
    weights.write_bytes(before)
    assert refused.code == 2
    assert "was compiled from other weights or code" in refused.err


@pytest.mark.parametrize(
    ("name", "said"),
    [("compile", "has no candidate 'compile'"), ("eager", "TorchServe loads no file of eager")],
)
def test_what_was_not_kept_is_not_archived(name: str, said: str, mnist: Project) -> None:
    refused = mardock(mnist.root, "archive", "mnist", "--compiled", name)
    assert (refused.code, said in refused.err) == (2, True)


@pytest.mark.parametrize(("factory", "shape"), [("resnet152", "1x3x32x32"), ("densenet121", "1x3x64x64")])
def test_large_networks_with_random_weights_are_verified(factory: str, shape: str, native: None, zoo: Path) -> None:
    words = ("compile", "--module", f"zoo:{factory}", "--input-shape", shape, "--only", "freeze", *QUICK)
    found = succeed(zoo, *words, "--json", env=vision_environment()).json
    statuses = {candidate["name"]: candidate["status"] for candidate in found["candidates"]}
    assert statuses == dict.fromkeys(("eager", "freeze"), "verified")
    assert {"larger", "batch of 4"} < set(found["inputs"])


def test_a_model_that_cannot_be_scripted_says_why_and_is_offered_as_a_trace(native: None, zoo: Path) -> None:
    words = ("compile", "--module", "zoo:Halting", "--input-shape", "2x4", "--only", "script,trace", *QUICK)
    done = succeed(zoo, *words)
    script = next(line for line in done.out.splitlines() if line.startswith("script"))
    assert "failed" in script
    assert "zoo.py:" in script
    assert "its trace answers as eager does and can be served instead" in done.err


def test_a_candidate_that_dies_leaves_the_others_alone(native: None, zoo: Path) -> None:
    words = ("compile", "--module", "zoo:crashing", "--input-shape", "1x4", "--only", "script,trace", *QUICK)
    found = {c["name"]: c for c in succeed(zoo, *words, "--json").json["candidates"]}
    assert (found["trace"]["status"], found["trace"]["reason"]) == ("failed", "its process ended with exit code 9")
    assert found["eager"]["median_s"] > 0


def test_nan_of_the_model_itself_is_said(native: None, zoo: Path) -> None:
    words = ("compile", "--module", "zoo:Undefined", "--input-shape", "2x4", "--only", "script", *QUICK)
    assert "eager itself answers NaN to: " in succeed(zoo, *words).err


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("--module", "zoo:Noisy", "--input-shape", "1x4"), "forward draws random numbers (aten", "draw nothing"),
        (("--module", "zoo:Undefined"), "there is no sample input for Undefined", "--input-shape 1x3x224x224"),
        (("--module", "zoo:crashing", "--input-shape", "1x5"), "does not take the sample (float32 [1, 5])", "--input-"),
    ],
)
def test_bad_input_is_one_clear_error(words: tuple[str, ...], said: str, hint: str, native: None, zoo: Path) -> None:
    refused = mardock(zoo, "compile", *words)
    assert refused.code == 2
    last = refused.err.splitlines()[-2:]
    assert last[0].startswith("error: ")
    assert said in last[0]
    assert hint in last[1]
