"""The sum of three numbers."""

from torch import nn


class Adder(nn.Linear):
    def __init__(self):
        super().__init__(3, 1, bias=False)
