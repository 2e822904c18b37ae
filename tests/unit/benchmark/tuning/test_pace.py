"""Throughput of answers that come in bursts."""

from __future__ import annotations

import pytest

from mardock.benchmark.tuning.pace import pace


@pytest.mark.parametrize("offset", range(8))
def test_it_does_not_depend_on_where_the_bursts_fall(offset: int) -> None:
    windows = [80.0 if part % 8 == offset else 0.0 for part in range(36)]
    assert pace(windows) == pytest.approx(10.0)


def test_an_even_flow_is_its_mean() -> None:
    assert pace([7.0] * 10) == 7.0


def test_what_comes_before_the_first_answers_are_back_is_left_out() -> None:
    assert pace([0.0, 100.0, *[5.0] * 6], skipped=0.25) == 5.0


@pytest.mark.parametrize(("windows", "expected"), [([], 0.0), ([0.0, 0.0], 0.0), ([0.0, 6.0, 0.0], 2.0)])
def test_too_few_answers_are_counted_as_they_are(windows: list[float], expected: float) -> None:
    assert pace(windows) == expected
