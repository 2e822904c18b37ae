"""Training the example model: it learns, it repeats itself, and it takes the network beside the script."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from character_recognizer import train
from character_recognizer.mnist import MnistNet

DATA = Path(__file__).parents[2] / "datasets" / "MNIST" / "mnist.npz"


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    return train.load_digits(DATA, "train")


def trained(digits: tuple[torch.Tensor, torch.Tensor]) -> MnistNet:
    torch.manual_seed(0)
    model = MnistNet()
    train.train(model, digits[0][:2000], digits[1][:2000], epochs=1)
    return model


def test_one_epoch_on_a_slice_reads_most_unseen_digits(digits: tuple[torch.Tensor, torch.Tensor]) -> None:
    unseen = train.load_digits(DATA, "test")
    torch.manual_seed(0)
    assert train.accuracy(MnistNet(), *unseen) < 0.3
    assert train.accuracy(trained(digits), *unseen) > 0.6


def test_the_same_seed_gives_the_same_weights(digits: tuple[torch.Tensor, torch.Tensor]) -> None:
    first, second = trained(digits).state_dict(), trained(digits).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_run_by_its_path_the_script_takes_the_network_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "src" / "character_recognizer"
    shutil.copytree(Path(train.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "mnist.py").write_text('raise SystemExit("the network beside the script")')
    command = [sys.executable, str(package / "train.py"), "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.stderr.strip() == "the network beside the script"
