"""What the image model answers. Replace these images by your own, and what is right by what you know of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Callable

import pytest
from PIL import Image

SAMPLE = (Path(__file__).parent / "sample.png").read_bytes()


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_the_likeliest_label_comes_first(ask: Callable[..., Any]) -> None:
    (_, sample), (_, blue) = ask(SAMPLE, encoded(Image.new("RGB", (300, 200), "#2040f0")))
    assert [sample[0]["label"], blue[0]["label"]] == ["red", "blue"]
    assert sum(one["score"] for one in sample) == pytest.approx(1)


def test_an_image_of_any_mode_is_read(ask: Callable[..., Any]) -> None:
    green, grey = Image.new("RGB", (80, 60), "#10e020"), Image.new("L", (80, 60), 180)
    deep = Image.new("I;16", (80, 60), 180 * 257)
    clear = Image.new("LA", (80, 60), (0, 0))
    turned = Image.Exif()
    turned[0x0112] = 6
    greens = [encoded(green.convert("RGBA")), encoded(green.convert("CMYK"), "TIFF"), encoded(green.convert("P"))]
    greens.append(encoded(green, "JPEG", exif=turned))
    greys = [encoded(grey), encoded(deep), encoded(clear), encoded(Image.new("L", (80, 60), 255))]
    answers = ask(*greens, *greys)
    assert [status for status, _ in answers] == [200] * len(answers)
    assert [answer[0]["label"] for _, answer in answers[: len(greens)]] == ["green"] * len(greens)
    assert answers[-4] == answers[-3]  # 16 bits are scaled, not clipped
    assert answers[-2] == answers[-1]  # what is transparent is white


def test_what_is_no_image_fails_alone(ask: Callable[..., Any]) -> None:
    answers = ask(SAMPLE, b"no image", SAMPLE[:60], SAMPLE)
    assert [status for status, _ in answers] == [200, 400, 400, 200]
    assert answers[0] == answers[3]
