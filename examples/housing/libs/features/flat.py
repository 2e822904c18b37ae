"""A flat, read from JSON, and its features."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

CITIES = ("aalen", "bonn", "celle")


@dataclass(frozen=True)
class Flat:
    """One flat on offer.

    Attributes:
        area: square metres.
        rooms: how many.
        age: years.
        city: one of `CITIES`.
    """

    area: float
    rooms: int
    age: float
    city: str

    @classmethod
    def parse(cls, row: Any) -> Flat:
        """Read a flat that somebody sent.

        Raises:
            ValueError: something is missing or no value for it; the message tells the sender.
        """
        if not isinstance(row, dict):
            raise ValueError("a flat is an object of area, rooms, age and city")
        missing = [field.name for field in fields(cls) if field.name not in row]
        if missing:
            raise ValueError(f"the flat has no {', '.join(missing)}")
        if row["city"] not in CITIES:
            raise ValueError(f"the city is one of {', '.join(CITIES)}")
        try:
            return cls(float(row["area"]), int(row["rooms"]), float(row["age"]), row["city"])
        except (TypeError, ValueError):
            raise ValueError("area, rooms and age are numbers") from None


def encode(flat: Flat) -> list[float]:
    """Return a flat's features, each about as large as 1."""
    return [flat.area / 100, flat.rooms / 4, flat.age / 50, *(float(flat.city == city) for city in CITIES)]
