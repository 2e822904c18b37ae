"""What the detector answers. Replace these images by your own, and what is right by what you know of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Callable

import pytest
from PIL import Image, ImageDraw

SAMPLE = (Path(__file__).parent / "sample.png").read_bytes()


def drawn(colour: str, box: tuple[int, int, int, int], size: tuple[int, int], orientation: int = 1) -> bytes:
    """Return the bytes of a dark image with a rectangle."""
    image, file, exif = Image.new("RGB", size, "#202020"), io.BytesIO(), Image.Exif()
    ImageDraw.Draw(image).rectangle(box, fill=colour)
    exif[0x0112] = orientation
    image.save(file, "PNG", exif=exif)
    return file.getvalue()


def test_a_thing_is_found_where_it_is(ask: Callable[..., Any]) -> None:
    (_, sample), (_, turned), (_, none) = ask(
        SAMPLE,
        drawn("#d01010", (40, 120, 160, 200), size=(200, 400), orientation=3),  # upside down
        drawn("#202020", (0, 0, 9, 9), size=(64, 64)),
    )
    assert [(thing["label"], len(thing["box"])) for thing in sample] == [("blue thing", 4)]
    assert sample[0]["box"] == pytest.approx([120, 30, 240, 120], abs=25)
    assert [thing["label"] for thing in turned] == ["red thing"]
    assert turned[0]["box"] == pytest.approx([40, 200, 160, 280], abs=35)
    assert none == []


def test_what_is_no_image_fails_alone(ask: Callable[..., Any]) -> None:
    answers = ask(SAMPLE, b"no image", SAMPLE[:60], SAMPLE)
    assert [status for status, _ in answers] == [200, 400, 400, 200]
    assert answers[0] == answers[3]
