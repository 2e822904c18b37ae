"""Steadiness: what it objects to, and what it puts down to chance."""

from __future__ import annotations

import random
from typing import Optional

import pytest

from mardock.benchmark.steady import why_unsteady

EVEN = [1000.0, 1010.0, 990.0, 1005.0] * 10


@pytest.mark.parametrize(
    ("windows", "why"),
    [
        (EVEN, None),
        ([500.0 + 25 * i for i in range(40)], "rose by 68%"),
        ([1500.0 - 25 * i for i in range(40)], "fell by"),
        ([*EVEN[:20], 0.0, 0.0, *EVEN[22:]], "no answers for 0.5 s"),
        ([1000.0, 300.0] * 20, "swung between"),
        ([4.0] + [0.0] * 39, "too few"),
        ([], "too few"),
    ],
)
def test_a_run_is_judged_by_its_windows(windows: list[float], why: Optional[str]) -> None:
    found = why_unsteady(windows, 0.25)

    assert found is None if why is None else why in (found or "")


def test_chance_alone_is_no_unsteadiness() -> None:
    source = random.Random(7)
    for _ in range(50):
        counts = [sum(source.random() < 0.1 for _ in range(60)) for _ in range(40)]
        found = why_unsteady([count / 0.25 for count in counts], 0.25)
        assert found is None or "no answers" in found
