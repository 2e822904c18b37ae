"""The network. BaseHandler imports this file, wants exactly one class in it, and makes it without arguments."""

from __future__ import annotations

import torch
from torch import nn


class ShapeNet(nn.Module):
    """Two convolutions and a vote, for grey images of 32 by 32."""

    def __init__(self, labels: int = 3, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(width * 8 * 8, labels),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Score images [N, 1, 32, 32], from 0 to 1, as logits [N, labels]."""
        logits: torch.Tensor = self.layers(images)
        return logits
