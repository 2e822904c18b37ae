"""A recurrent network that knows which letter comes next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

import torch
from torch import nn

LETTERS = "\n '.,abcdefghijklmnopqrstuvwxyz"
"""What a proverb is written in; the first ends it."""


class ProverbNet(nn.Module):
    """Reads letters and scores the next one after each."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), width)
        self.memory = nn.GRU(width, width, batch_first=True)
        self.scores = nn.Linear(width, len(LETTERS))

    def forward(self, letters: torch.Tensor, state: Optional[torch.Tensor] = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn letters [N, L] into logits [N, L, LETTERS], and what was remembered of them."""
        read, state = self.memory(self.letters(letters), state)
        return self.scores(read), state


def encode(text: str) -> list[int]:
    """Return a text's letters as numbers; what no proverb is written in is left out."""
    return [LETTERS.index(letter) for letter in text.lower() if letter in LETTERS[1:]]


def finish(model: ProverbNet, start: str, most: int) -> Iterator[str]:
    """Yield the likeliest letters after a start, until the proverb ends or `most` were written."""
    letters, state = torch.tensor([encode(start)]), None
    for _ in range(most):
        logits, state = model(letters, state)
        letters = logits[:, -1:].argmax(dim=2)
        if letters.item() == 0:
            return
        yield LETTERS[int(letters.item())]
