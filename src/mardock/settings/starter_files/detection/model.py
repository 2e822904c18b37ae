"""A tiny detector, and its training on made-up images. Put your own network and your own training here.

TorchServe imports this file with the weights and allows it exactly one class, made without arguments. What the handler
needs of a model: images in, and for each the same number of boxes with a score for every label out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

SIDE = 64
CELLS = 8


class Detector(nn.Module):
    """Every cell of a grid of 8 x 8 proposes one box around a thing whose middle it holds."""

    def __init__(self, labels: int = 2, width: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.AvgPool2d(2)]
        for inputs, stride, dilation in ((3, 2, 1), (width, 2, 1), (width, 1, 1), (width, 1, 2), (width, 1, 4)):
            layers += [nn.Conv2d(inputs, width, 3, stride, padding=dilation, dilation=dilation), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 4 + labels, kernel_size=1))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images [N, 3, 64, 64], 0 to 1, to boxes [N, 64, 4] and scores [N, 64, labels].

        A box is left, top, right, bottom, as shares of the image's width and height.
        """
        cells = self.layers(images).flatten(2).transpose(1, 2)
        steps = (torch.arange(CELLS, device=images.device) + 0.5) / CELLS
        middles = torch.cartesian_prod(steps, steps).flip(1)
        reaches = cells[..., :4].sigmoid()
        boxes = torch.cat([middles - reaches[..., :2], middles + reaches[..., 2:]], dim=2).clamp(0, 1)
        return boxes, cells[..., 4:].sigmoid()


def rectangles(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Make up dark images, each with a rectangle in red or in blue; also return its box and its label."""
    images = 0.3 * torch.rand(count, 3, SIDE, SIDE)
    sizes = torch.randint(12, 40, (count, 2))
    corners = (torch.rand(count, 2) * (SIDE - sizes)).long()
    boxes, labels = torch.cat([corners, corners + sizes], dim=1), torch.randint(2, (count,))
    for image, (left, top, right, bottom), label in zip(images, boxes.tolist(), labels.tolist()):
        image[2 * label, top:bottom, left:right] += 0.7
    return images, boxes / SIDE, labels


def train(model: nn.Module, steps: int = 250) -> None:
    """Fit the model to new images at every step: the scores of all cells, the box of the right one."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        images, boxes, labels = rectangles(32)
        columns, rows = ((boxes[:, :2] + boxes[:, 2:]) / 2 * CELLS).long().unbind(1)
        right = (torch.arange(len(images)), rows * CELLS + columns)
        proposed, scores = model(images)
        wanted = torch.zeros_like(scores)
        wanted[(*right, labels)] = 1
        weight = torch.ones_like(scores)
        weight[right] = 10  # one cell of 64 holds the thing
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy(scores, wanted, weight) * CELLS
        loss = loss + 10 * nn.functional.l1_loss(proposed[right], boxes)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


if __name__ == "__main__":
    torch.set_num_threads(1)  # for a network as small as this, more would only wait for each other
    torch.manual_seed(0)
    trained = Detector()
    train(trained)
    weights = Path(sys.argv[1])
    weights.parent.mkdir(parents=True, exist_ok=True)
    torch.save(trained.state_dict(), weights)
