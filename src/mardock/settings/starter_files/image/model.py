"""A tiny image classifier, and its training on made-up images. Put your own network and your own training here.

TorchServe imports this file with the weights and allows it exactly one class, made without arguments.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn


class ImageClassifier(nn.Module):
    """Two convolutions and a mean over the image, so that it takes any size."""

    def __init__(self, labels: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=5, stride=4),
            nn.ReLU(),
            nn.Conv2d(8, 16, kernel_size=3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, labels),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Score images: float [N, 3, height, width], normalised as the handler does, to logits [N, labels]."""
        logits: torch.Tensor = self.layers(images)
        return logits


def colours(count: int, side: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Make up images in which one colour prevails, from -1 to 1 as the handler gives them, and say which."""
    images, labels = torch.rand(count, 3, side, side), torch.randint(3, (count,))
    images[torch.arange(count), labels] += torch.rand(count, 1, 1)
    return images.clamp(0, 1) * 2 - 1, labels


def train(model: nn.Module, steps: int = 60) -> None:
    """Fit the model to new images at every step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        images, labels = colours(32)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


if __name__ == "__main__":
    torch.set_num_threads(1)  # for a network as small as this, more would only wait for each other
    torch.manual_seed(0)
    trained = ImageClassifier()
    train(trained)
    weights = Path(sys.argv[1])
    weights.parent.mkdir(parents=True, exist_ok=True)
    torch.save(trained.state_dict(), weights)
