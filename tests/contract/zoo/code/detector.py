"""Two boxes in every image, one of them likely, in the form torchvision's detection models answer in."""

import torch


class Detector(torch.nn.Module):
    def forward(self, images):
        found = {"boxes": [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 9.0, 9.0]], "labels": [1, 0], "scores": [0.75, 0.25]}
        return [{name: torch.tensor(value) for name, value in found.items()} for _ in images]
