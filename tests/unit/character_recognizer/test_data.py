"""The digits that ship with the project: their format, their names, and that no digit serves two purposes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

MNIST = Path(__file__).parents[3] / "datasets" / "MNIST"
SAMPLES = sorted((MNIST / "sample_images").glob("*.png"))


def pixels(images: np.ndarray) -> list[bytes]:
    return [image.tobytes() for image in images]


def test_the_sample_images_are_ten_of_each_digit() -> None:
    assert Counter(path.stem[-1] for path in SAMPLES) == dict.fromkeys("0123456789", 10)


def test_the_sample_images_are_28_by_28_grey_pngs() -> None:
    for path in SAMPLES:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "L", (28, 28)), path.name


def test_no_digit_is_in_two_of_training_held_out_and_samples() -> None:
    with np.load(MNIST / "mnist.npz") as arrays:
        training, held_out = pixels(arrays["x_train"]), pixels(arrays["x_test"])
    samples = [np.asarray(Image.open(path)).tobytes() for path in SAMPLES]
    assert (len(training), len(held_out), len(samples)) == (8900, 1000, 100)
    assert len({*training, *held_out, *samples}) == 10_000
