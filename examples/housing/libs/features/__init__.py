"""What a flat is, as numbers; training and serving have to agree on it."""

from .flat import CITIES, Flat, encode

__all__ = ["CITIES", "Flat", "encode"]
