"""Train on data/reviews.tsv and write the weights: `python -m sentiment.train`, in the folder of the project."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from .model import LABELS, SentimentNet
from .vocabulary import Vocabulary

EPOCHS = 60


def read(path: Path) -> tuple[list[str], torch.Tensor]:
    """Return the reviews of a file and their labels."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [text for _, text in rows], torch.tensor([LABELS.index(label) for label, _ in rows])


def main() -> None:
    """Train, say how well it went, and save."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more would only wait for one another
    texts, labels = read(Path("data/reviews.tsv"))
    vocabulary = Vocabulary.of(texts)
    model = SentimentNet(len(vocabulary))
    encoded = [vocabulary.encode(text) for text in texts]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(encoded), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    right = int((model(encoded).argmax(dim=1) == labels).sum())
    print(f"{right} of {len(texts)} reviews right")
    weights = Path("weights")
    weights.mkdir(exist_ok=True)
    vocabulary.save(weights / "vocabulary.json")
    torch.save(model.state_dict(), weights / "sentiment.pt")
    print("saved weights/sentiment.pt and weights/vocabulary.json")


if __name__ == "__main__":
    main()
