"""Train the digit reader and save it twice, as a state dict and as TorchScript; run it from the project's root."""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

if __name__ == "__main__":
    # Run by its path, the script has its own folder on sys.path and not the one that holds the package.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from character_recognizer.mnist import MnistNet

BATCH_SIZE = 64
PEAK_LEARNING_RATE = 5e-3


def load_digits(path: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Read one part of the data, "train" or "test": float images [N, 1, 28, 28] from 0 to 1 and int64 labels [N]."""
    with np.load(path) as arrays:
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
    return torch.from_numpy(images).unsqueeze(1) / 255, torch.from_numpy(labels).long()


def distort(images: torch.Tensor) -> torch.Tensor:
    """Move, stretch and slant each image [N, 1, 28, 28] a little at random, so that 8,900 digits teach like more."""
    transforms = torch.eye(2, 3) + torch.randn(len(images), 2, 3) * torch.tensor([0.1, 0.1, 0.07])
    grid = nn.functional.affine_grid(transforms, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int) -> None:
    """Fit the model in place with Adam under a one-cycle learning rate, printing one line per epoch."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters())
    steps = -(-len(images) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, epochs=epochs, steps_per_epoch=steps)
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        total_loss = 0.0
        for batch in torch.split(torch.randperm(len(images)), BATCH_SIZE):
            loss = nn.functional.cross_entropy(model(distort(images[batch])), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total_loss += loss.item() * len(batch)
        seconds = time.perf_counter() - started
        print(f"epoch {epoch}/{epochs}  loss {total_loss / len(images):.4f}  {seconds:.1f} s", flush=True)


@torch.inference_mode()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of images, 0 to 1, whose digit the model reads right; leaves the model in eval mode."""
    model.eval()
    return float((model(images).argmax(dim=1) == labels).double().mean())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is either the old one or the whole new one, whenever the script is interrupted."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save(model: MnistNet, directory: Path) -> list[Path]:
    """Write mnist_cnn.pt (state dict) and mnist_cnn_scripted.pt (TorchScript, eval mode); return their paths."""
    model.eval()
    state_dict, scripted = io.BytesIO(), io.BytesIO()
    torch.save(model.state_dict(), state_dict)
    torch.jit.save(torch.jit.script(model), scripted)
    paths = [directory / "mnist_cnn.pt", directory / "mnist_cnn_scripted.pt"]
    for path, buffer in zip(paths, (state_dict, scripted)):
        write_atomically(path, buffer.getvalue())
    return paths


def positive(text: str) -> int:
    """Parse an argument that counts something."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def parse_arguments() -> argparse.Namespace:
    """Read the command line; refuse, before any work, data that is not there and a folder that cannot be written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--epochs", type=positive, default=10, help="passes over the training digits")
    parser.add_argument("--seed", type=int, default=0, help="same seed and threads, same weights")
    parser.add_argument("--threads", type=positive, default=torch.get_num_threads(), help="CPU threads of torch")
    parser.add_argument("--data", type=Path, default=Path("datasets/MNIST/mnist.npz"), help="digits to train on")
    parser.add_argument("--output-dir", type=Path, default=Path("artifacts"), help="where the two files go")
    arguments = parser.parse_args()
    if not arguments.data.is_file():
        parser.error(f"{arguments.data} is not a file: run from the project's root or name the data with --data")
    try:
        arguments.output_dir.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=arguments.output_dir).close()
    except OSError as error:
        parser.error(f"cannot write to {arguments.output_dir}: {error.strerror}")
    return arguments


def main() -> None:
    """Train, measure on digits the training has not seen, save."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(arguments.seed)
    model = MnistNet()
    train(model, *load_digits(arguments.data, "train"), epochs=arguments.epochs)
    images, labels = load_digits(arguments.data, "test")
    print(f"held-out accuracy {accuracy(model, images, labels):.1%} on {len(images)} digits")
    for path in save(model, arguments.output_dir):
        print(f"saved {path}")


if __name__ == "__main__":
    main()
