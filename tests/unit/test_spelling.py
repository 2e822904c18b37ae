"""The question whether something else was meant."""

from __future__ import annotations

import pytest

from mardock.spelling import did_you_mean

KNOWN = ("mnist", "minWorkers", "job_queue_size")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("mnits", "did you mean mnist?"),
        ("MIN_WORKER", "did you mean minWorkers?"),
        ("jobQueueSise", "did you mean job_queue_size?"),
        ("resnet", None),
        ("", None),
    ],
)
def test_the_likest_one_is_asked_for(name: str, asked: str | None) -> None:
    assert did_you_mean(name, KNOWN) == asked


def test_as_many_as_are_like_enough_are_asked_for() -> None:
    digits = ["digits", "digits2", "letters"]
    assert did_you_mean("digit", digits) == "did you mean digits?"
    assert did_you_mean("digit", digits, most=3) == "did you mean digits, digits2?"
    assert did_you_mean("digit", digits, most=3, similarity=0.9) == "did you mean digits?"
    assert did_you_mean("digit", []) is None
