"""A tiny model of who will leave, and its training on made-up customers. Put your own network and training here.

TorchServe imports this file with the weights and allows it exactly one class, made without arguments.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn


class ChurnModel(nn.Module):
    """Two columns of numbers and one of categories, as columns.json lists them, to a probability."""

    mean: torch.Tensor
    std: torch.Tensor
    places: torch.Tensor

    def __init__(self, numbers: int = 2, categories: int = 3) -> None:
        super().__init__()
        # Buffers are saved with the weights, so that whoever serves the model cannot forget how its columns are scaled.
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("std", torch.ones(numbers))
        self.register_buffer("places", torch.arange(categories))
        self.layers = nn.Sequential(nn.Linear(numbers + categories, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows [N, numbers + 1], NaN where a value is missing, to probabilities [N]."""
        numbers, category = rows[:, :-1], rows[:, -1:]
        scaled = ((numbers - self.mean) / self.std).nan_to_num(nan=0.0)  # a missing number counts as the mean
        one_hot = (category == self.places).float()  # a missing category is none of them
        logits: torch.Tensor = self.layers(torch.cat([scaled, one_hot], dim=1))
        return logits.squeeze(1).sigmoid()


def customers(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make up customers: the younger, the thriftier and the less bound by a plan, the likelier they leave."""
    age, spend = 18 + 60 * torch.rand(count), 40 * torch.rand(count)
    plan = torch.randint(3, (count,)).float()
    left = torch.sigmoid(4 - 0.05 * age - 0.1 * spend - plan) > torch.rand(count)
    return torch.stack([age, spend, plan], dim=1), left.float()


def train(model: ChurnModel, steps: int = 200) -> None:
    """Fit the model, and its scales, to customers of whom it is known whether they left."""
    rows, left = customers(2000)
    model.mean.copy_(rows[:, :-1].mean(dim=0))
    model.std.copy_(rows[:, :-1].std(dim=0))
    rows[torch.rand(rows.shape) < 0.05] = torch.nan  # so that it learns to do without
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy(model(rows), left)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


if __name__ == "__main__":
    torch.set_num_threads(1)  # for a network as small as this, more would only wait for each other
    torch.manual_seed(0)
    trained = ChurnModel()
    train(trained)
    weights = Path(sys.argv[1])
    weights.parent.mkdir(parents=True, exist_ok=True)
    torch.save(trained.state_dict(), weights)
