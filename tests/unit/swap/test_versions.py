"""Versions of a watch: they sort, do not collide, and are told from the user's own."""

from __future__ import annotations

import pytest

from mardock.swap import versions


def test_numbers_follow_the_highest_of_either_kind() -> None:
    assert versions.following("1.0", []) == "1.0-w0001"
    assert versions.following("1.0", ["1.0", "1.0-w0009", "1.0-i0012", "2.0-w0040"]) == "1.0-w0013"
    assert versions.following("1.0", ["1.0-w9999"], "i") == "1.0-i10000"


@pytest.mark.parametrize(
    ("version", "ours"),
    [
        ("1.0-w0001", True),
        ("1.0-i0001", True),
        ("1.0", False),
        ("1.0-w1", False),
        ("1.00-w0001", False),
        ("2.0-w0001", False),
    ],
)
def test_only_a_version_of_this_base_and_shape_is_a_watch_s(version: str, ours: bool) -> None:
    assert versions.made_by_watch(version, "1.0") is ours
