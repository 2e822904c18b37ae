"""The network that reads MNIST digits; TorchServe's eager mode imports this file and allows it exactly one class."""

from __future__ import annotations

import torch
from torch import nn


class MnistNet(nn.Module):
    """Two convolutions and two linear layers, 56,714 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 5 * 5, 64),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Linear(64, 10),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Score digits: float images [N, 1, 28, 28], 0 (background) to 1 (ink), to logits [N, 10]."""
        # MNIST's mean and standard deviation stand here, so that whoever serves the model cannot forget them.
        logits: torch.Tensor = self.layers((images - 0.1307) / 0.3081)
        return logits
