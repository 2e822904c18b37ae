"""A tiny text classifier, and its training on made-up reviews. Put your own network and your own training here.

TorchServe imports this file with the weights and allows it exactly one class, made without arguments.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

SUBJECTS = ("The food", "The staff", "The room", "This film", "My seat", "The new version")
PRAISE = ("was wonderful", "is great", "was lovely", "is a pleasure", "was excellent")
BLAME = ("was terrible", "is awful", "was dirty", "is a disappointment", "was broken")


class TextClassifier(nn.Module):
    """Looks for telling runs of seven bytes, wherever they stand in the text."""

    def __init__(self, labels: int = 2, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(256, width, padding_idx=0)
        self.convolution = nn.Conv1d(width, width, kernel_size=7, padding=3)
        self.classifier = nn.Linear(width, labels)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Score texts: bytes [N, L], padded with 0, to logits [N, labels]."""
        found = self.convolution(self.embedding(tokens).transpose(1, 2)).relu()
        # What is found in the padding must not count: it depends on the other texts of the batch.
        strongest = found.masked_fill((tokens == 0).unsqueeze(1), 0).amax(dim=2)
        logits: torch.Tensor = self.classifier(strongest)
        return logits


def train(model: nn.Module, steps: int = 60) -> None:
    """Fit the model to reviews whose label is known: 0 for blame, 1 for praise."""
    reviews = [(f"{a} {b}.", 0) for a, b in itertools.product(SUBJECTS, BLAME)]
    reviews += [(f"{a} {b}.", 1) for a, b in itertools.product(SUBJECTS, PRAISE)]
    tokens = pad_sequence([torch.tensor(list(text.encode())) for text, _ in reviews], batch_first=True)
    labels = torch.tensor([label for _, label in reviews])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


if __name__ == "__main__":
    torch.set_num_threads(1)  # for a network as small as this, more would only wait for each other
    torch.manual_seed(0)
    trained = TextClassifier()
    train(trained)
    weights = Path(sys.argv[1])
    weights.parent.mkdir(parents=True, exist_ok=True)
    torch.save(trained.state_dict(), weights)
