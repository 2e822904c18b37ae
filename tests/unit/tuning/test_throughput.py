"""Throughput of answers that come in bursts."""

from __future__ import annotations

import pytest

from mardock.tuning.throughput import rate_of


@pytest.mark.parametrize("offset", range(8))
def test_it_does_not_depend_on_where_the_bursts_fall(offset: int) -> None:
    windows = [80.0 if part % 8 == offset else 0.0 for part in range(36)]
    assert rate_of(windows) == pytest.approx(10.0)


def test_an_even_flow_is_its_mean() -> None:
    assert rate_of([7.0] * 10) == 7.0


def test_counting_starts_at_the_last_burst_of_what_is_skipped() -> None:
    assert rate_of([0.0, 100.0, *[5.0] * 6], skipped=0.25) == 5.0
    assert rate_of([90.0, 0.0, 0.0, 40.0, 0.0, 0.0, 0.0, 40.0], skipped=0.25) == pytest.approx(80 / 7)


@pytest.mark.parametrize(
    ("windows", "expected"),
    [([], 0.0), ([0.0, 0.0], 0.0), ([0.0, 6.0, 0.0], 2.0), ([0.0, 0.0, 0.0, 40.0, 40.0, 0.0, 0.0, 0.0], 10.0)],
)
def test_bursts_too_close_to_each_other_are_counted_as_they_are(windows: list[float], expected: float) -> None:
    assert rate_of(windows) == expected
