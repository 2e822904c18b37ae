"""Learn the proverbs by heart and write the weights: `python -m acme.proverbs.train`, in the folder of the project."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from .model import ProverbNet, encode, finish

PROVERBS = (
    "a stitch in time saves nine",
    "better late than never",
    "every cloud has a silver lining",
    "haste makes waste",
    "no smoke without fire",
    "practice makes perfect",
    "the early bird catches the worm",
    "when in rome, do as the romans do",
)
STEPS = 120
END = 0


def main() -> None:
    """Train until each proverb is known by its beginning, and save."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more would only wait for one another
    texts = pad_sequence([torch.tensor([*encode(proverb), END]) for proverb in PROVERBS], batch_first=True)
    model = ProverbNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        logits, _ = model(texts[:, :-1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.inference_mode():
        known = [proverb[:6] + "".join(finish(model, proverb[:6], 40)) == proverb for proverb in PROVERBS]
    print(f"{sum(known)} of {len(PROVERBS)} proverbs known")
    Path("weights").mkdir(exist_ok=True)
    torch.save(model.state_dict(), "weights/proverbs.pt")


if __name__ == "__main__":
    main()
