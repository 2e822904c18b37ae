"""Two classes for each patch of 16 x 16 pixels, in the form torchvision's segmentation models answer in."""

from torch import nn


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 16, stride=16)

    def forward(self, images):
        return {"out": self.layer(images)}
