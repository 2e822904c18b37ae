"""The names of side versions: every kind is told from the user's own versions, and back."""

from __future__ import annotations

import re

import pytest

from mardock import side_names
from mardock.side_names import Kind, SideName


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("1.0-w0002", SideName("1.0", Kind.WATCHED, 2)),
        ("1.0-i12345", SideName("1.0", Kind.INSTANT, 12345)),
        ("1.0-w0002-t03", SideName("1.0-w0002", Kind.TUNED, 3)),
        ("1.0-debug", SideName("1.0", Kind.DEBUGGED)),
        ("1.0-next", SideName("1.0", Kind.NEXT)),
    ],
)
def test_a_side_version_is_told_in_its_parts_and_put_together_again(version: str, name: SideName) -> None:
    assert side_names.parse(version) == name
    assert str(name) == version
    assert re.fullmatch(side_names.FOLDER, side_names.folder("mnist", version))


@pytest.mark.parametrize("version", ["1.0", "1.0-w1", "1.0-nightly", "-next", "next", "1.0-tuned", "2.0-debugging"])
def test_a_version_of_the_users_own_is_none(version: str) -> None:
    assert side_names.parse(version) is None


def test_the_next_name_is_behind_all_of_its_base() -> None:
    taken = ["1.0", "1.0-w0003", "1.0-i0004", "2.0-w0009"]
    assert str(side_names.following("1.0", Kind.WATCHED, taken)) == "1.0-w0005"
    assert (
        str(side_names.following("1.0", Kind.WATCHED, ["1.0", "1.00-w0001", "1.0-w0009", "1.0-i0012"])) == "1.0-w0013"
    )
    assert str(side_names.following("1.0", Kind.INSTANT, ["1.0-w9999"])) == "1.0-i10000"
    assert str(side_names.following("1.0", Kind.WATCHED, [])) == "1.0-w0001"
    assert str(side_names.following("1.0", Kind.TUNED, [])) == "1.0-t01"


@pytest.mark.parametrize("folder", ["models", ".mnist", ".cache", ".mnist-1.0-w1", "mnist-1.0-w0002"])
def test_other_folders_are_not_taken_for_one(folder: str) -> None:
    assert not re.fullmatch(side_names.FOLDER, folder)
