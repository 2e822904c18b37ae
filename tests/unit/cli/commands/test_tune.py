"""`mardock tune`: what is refused before a server is asked for anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (("nosuch",), "mardock.toml lists no model 'nosuch'", "mardock.toml lists: digits, cats"),
        (("cats",), "no file to send", "set sample under [models.cats]"),
        (("cats", "--p99", "0ms"), "--p99 '0ms' is out of range", "it takes at least 0.001ms"),
        (("cats", "--p99", "-5ms"), "--p99 '-5ms' is no time", "e.g. --p99 50ms; units are ms, s, m and h"),
        (("cats", "--p99", "nan"), "--p99 'nan' is no time", "e.g. --p99 50ms; units are ms, s, m and h"),
        (("cats", "--budget", "1"), "--budget '1' is out of range", "it takes from 5s to 86400s"),
        (("cats", "--concurrency", "0"), "0 is not in the range 1<=x<=1000", "mardock tune -h"),
    ],
)
def test_what_cannot_be_tuned_is_told_with_its_mend(
    root: Path, run: Run, arguments: tuple[str, ...], said: str, hint: str
) -> None:
    result = run("tune", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert hint in result.stderr


def test_without_a_server_it_says_how_to_start_one(root: Path, run: Run) -> None:
    (root / "logs").mkdir()
    result = run("tune", "cats", "--data", "mardock.toml")
    assert result.exit_code == 3
    assert "mardock up" in result.stderr
