"""A text classifier of the shape TorchServe's own handler is made for: token ids and offsets in, two scores out."""

from torch import nn


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(4, 2)

    def forward(self, tokens, offsets):
        return self.embedding(tokens, offsets)
