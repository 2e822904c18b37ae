"""The training script: it saves what TorchServe can load, it refuses what it cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from character_recognizer import train
from character_recognizer.mnist import MnistNet

DATA = Path(__file__).parents[3] / "datasets" / "MNIST" / "mnist.npz"


def test_both_saved_forms_answer_like_the_model(tmp_path: Path) -> None:
    model = MnistNet()
    state_dict_path, scripted_path = train.save(model, tmp_path)
    eager = MnistNet().eval()
    eager.load_state_dict(torch.load(state_dict_path, weights_only=True))
    scripted = torch.jit.load(scripted_path)  # type: ignore[no-untyped-call]
    images = train.load_digits(DATA, "train")[0][:100]
    with torch.inference_mode():
        torch.testing.assert_close(eager(images), model(images))
        torch.testing.assert_close(scripted(images), model(images))
    assert not scripted.training
    assert {path.name for path in tmp_path.iterdir()} == {"mnist_cnn.pt", "mnist_cnn_scripted.pt"}


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
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
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").touch()
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    with pytest.raises(SystemExit) as refused:
        train.main()
    assert refused.value.code == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
