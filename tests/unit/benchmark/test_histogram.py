"""Histogram: percentiles near the truth, None where they would only repeat the maximum."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mardock.benchmark.histogram import Histogram

latencies = st.lists(st.integers(0, 2**42 - 1), min_size=1, max_size=300)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(latencies, st.sampled_from([1.0, 25.0, 50.0, 90.0, 99.0]))
def test_a_percentile_is_at_most_a_thousandth_above_the_true_one(values: list[int], percent: float) -> None:
    found = filled(values).percentile(percent)

    true = sorted(values)[max(math.ceil(len(values) * percent / 100 - 1e-9), 1) - 1]
    if found is None:
        assert len(values) * (100 - percent) < 100
    else:
        assert true <= found <= true * 1.001 + 1


def test_p999_takes_a_thousand_requests() -> None:
    assert filled([5] * 999).percentile(99.9) is None
    assert filled([5] * 1000).percentile(99.9) == 5


def test_one_slow_request_in_a_hundred_is_beyond_p99_and_is_the_largest() -> None:
    histogram = filled([1000] * 99 + [5_000_000])

    assert histogram.percentile(99) == pytest.approx(1000, rel=0.001)
    assert histogram.largest == 5_000_000
    assert histogram.mean == (99 * 1000 + 5_000_000) / 100


def test_more_than_73_minutes_count_as_73() -> None:
    assert filled([2**50]).largest == 2**42 - 1


def test_an_empty_histogram_has_no_figures() -> None:
    empty = Histogram()

    assert (empty.mean, empty.largest, empty.percentile(50), empty.distribution()) == (None, None, None, [])


@given(latencies)
def test_the_distribution_rises_from_the_smallest_to_all_at_the_largest(values: list[int]) -> None:
    points = filled(values).distribution()

    assert points[0] == (0.0, min(values))
    assert points[-1] == (1.0, max(values))
    assert points == sorted(points)


def test_the_distribution_of_many_values_stays_short() -> None:
    assert len(filled(list(range(0, 200_000_000, 1000))).distribution()) < 400
