"""Training: it learns, it repeats itself, it saves what TorchServe can load, it refuses what it cannot do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from character_recognizer import train
from character_recognizer.mnist import MnistNet

DATA = Path(__file__).parents[3] / "datasets" / "MNIST" / "mnist.npz"


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    return train.load_digits(DATA, "train")


def trained(digits: tuple[torch.Tensor, torch.Tensor]) -> MnistNet:
    torch.manual_seed(0)
    model = MnistNet()
    train.train(model, digits[0][:2000], digits[1][:2000], epochs=1)
    return model


def test_one_epoch_on_a_slice_reads_most_unseen_digits(digits: tuple[torch.Tensor, torch.Tensor]):
    unseen = train.load_digits(DATA, "test")
    torch.manual_seed(0)
    assert train.accuracy(MnistNet(), *unseen) < 0.3
    assert train.accuracy(trained(digits), *unseen) > 0.6


def test_the_same_seed_gives_the_same_weights(digits: tuple[torch.Tensor, torch.Tensor]):
    first, second = trained(digits).state_dict(), trained(digits).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_both_saved_forms_answer_like_the_model(digits: tuple[torch.Tensor, torch.Tensor], tmp_path: Path):
    model = MnistNet()
    state_dict_path, scripted_path = train.save(model, tmp_path)
    eager = MnistNet().eval()
    eager.load_state_dict(torch.load(state_dict_path, weights_only=True))
    scripted = torch.jit.load(scripted_path)
    images = digits[0][:100]
    with torch.inference_mode():
        torch.testing.assert_close(eager(images), model(images))
        torch.testing.assert_close(scripted(images), model(images))
    assert not scripted.training
    assert {path.name for path in tmp_path.iterdir()} == {"mnist_cnn.pt", "mnist_cnn_scripted.pt"}


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path):
    taken = tmp_path / "weights.pt"
    taken.mkdir()
    with pytest.raises(OSError, match="weights"):
        train.write_atomically(taken, b"new")
    assert list(tmp_path.iterdir()) == [taken]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere.npz"], "nowhere.npz is not a file"),
        (["--data", str(DATA), "--output-dir", "taken/models"], "cannot write to taken/models: Not a directory"),
        (["--epochs", "0"], "argument --epochs"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    Path("taken").touch()
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    with pytest.raises(SystemExit) as refused:
        train.main()
    assert refused.value.code == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_run_by_its_path_the_script_takes_the_network_beside_it(tmp_path: Path):
    package = tmp_path / "src" / "character_recognizer"
    shutil.copytree(Path(train.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "mnist.py").write_text('raise SystemExit("the network beside the script")')
    command = [sys.executable, str(package / "train.py"), "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.stderr.strip() == "the network beside the script"
