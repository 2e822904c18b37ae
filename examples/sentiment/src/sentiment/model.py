"""The network: the mean of its words' vectors decides what a review is."""

from __future__ import annotations

import torch
from torch import nn

LABELS = ("negative", "positive")


class SentimentNet(nn.Module):
    """Scores texts of any length in one call.

    Args:
        words: how many numbers there are for words.
    """

    def __init__(self, words: int, width: int = 16) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(words, width, mode="mean")
        self.scores = nn.Linear(width, len(LABELS))

    def forward(self, texts: list[list[int]]) -> torch.Tensor:
        """Turn N texts, as numbers of words, into logits [N, labels]."""
        starts = torch.tensor([0, *(len(text) for text in texts[:-1])]).cumsum(0)
        together = torch.tensor([number for text in texts for number in text])
        logits: torch.Tensor = self.scores(self.words(together, starts))
        return logits
