"""Pictures whose label is known, for they were drawn to it."""

from __future__ import annotations

import math
import random

from PIL import Image, ImageDraw

SIDE = 32
LABELS = ("circle", "square", "triangle")


def draw(label: str, chance: random.Random) -> Image.Image:
    """Return a picture of a shape somewhere, in some size, bright on dark."""
    radius = chance.uniform(7, 12)
    x, y = (chance.uniform(radius, SIDE - radius) for _ in range(2))
    image = Image.new("L", (SIDE, SIDE), chance.randrange(0, 80))
    pen, bright = ImageDraw.Draw(image), chance.randrange(160, 256)
    if label == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=bright)
    elif label == "square":
        pen.rectangle((x - radius, y - radius, x + radius, y + radius), fill=bright)
    else:
        turns = (math.radians(degrees) for degrees in (-90, 30, 150))
        pen.polygon([(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns], fill=bright)
    return image
