"""Fit prices by what flats are, on made-up sales, and write a TorchScript; libs/ has to be on the PYTHONPATH."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from features import CITIES, Flat, encode

BASE = {"aalen": 20_000, "bonn": 60_000, "celle": 0}


def true_price(flat: Flat) -> float:
    """Return what a flat was sold for; the model has to find this out."""
    return BASE[flat.city] + 2_400 * flat.area + 8_000 * flat.rooms - 700 * flat.age


def sale(chance: random.Random) -> Flat:
    """Return a flat that was sold."""
    area = chance.uniform(25, 160)
    return Flat(area, max(1, round(area / 28 + chance.uniform(-1, 1))), chance.uniform(0, 90), chance.choice(CITIES))


def main() -> None:
    """Fit, say how far off it is, and save."""
    chance = random.Random(0)
    flats = [sale(chance) for _ in range(400)]
    features = torch.tensor([encode(flat) for flat in flats])
    prices = torch.tensor([true_price(flat) + chance.gauss(0, 3_000) for flat in flats])
    model = torch.nn.Linear(features.shape[1], 1, bias=False)  # each flat is in one city, so cities are the bias
    with torch.no_grad():
        model.weight.copy_(torch.linalg.lstsq(features, prices.unsqueeze(1)).solution.T)
    off = (model(features).detach().squeeze(1) - prices).abs().mean()
    print(f"off by {float(off):,.0f} on average")
    Path("weights").mkdir(exist_ok=True)
    torch.jit.trace(model, features[:2]).save("weights/price.pt")  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
