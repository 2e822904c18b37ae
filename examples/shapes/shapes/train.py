"""Train on drawn shapes and write the weights: `python -m shapes.train`, in the folder of the project."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .draw import LABELS, draw
from .model import ShapeNet

STEPS = 300
BATCH = 48


def batch(size: int, chance: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    """Return drawn images [N, 1, SIDE, SIDE] and their labels [N]."""
    labels = [number % len(LABELS) for number in range(size)]
    images = np.stack([np.asarray(draw(LABELS[label], chance)) for label in labels])
    return torch.from_numpy(images / np.float32(255)).unsqueeze(1), torch.tensor(labels)


def main() -> None:
    """Train, say how well it went on shapes never seen, and save."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more would only wait for one another
    chance = random.Random(0)
    model = ShapeNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(STEPS):
        images, labels = batch(BATCH, chance)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    images, labels = batch(300, chance)
    right = int((model(images).argmax(dim=1) == labels).sum())
    print(f"{right} of {len(labels)} new shapes right")
    Path("weights").mkdir(exist_ok=True)
    torch.save(model.state_dict(), "weights/shapes.pt")


if __name__ == "__main__":
    main()
