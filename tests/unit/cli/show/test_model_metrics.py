"""`mardock metrics --compare`: two captures side by side, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.conftest import Run


def capture(path: Path, *models: tuple[str, int, Any, Any]) -> Path:
    names = ("model", "requests", "mean_inference_latency_us", "mean_queue_latency_us")
    path.write_text(json.dumps([{**dict(zip(names, model)), "version": "default"} for model in models]))
    return path


@pytest.fixture
def captures(tmp_path: Path) -> tuple[Path, Path]:
    one = capture(tmp_path / "one-worker.json", ("digits", 100, 8000.0, 4000.0), ("old", 1, None, None))
    four = capture(tmp_path / "four-workers.json", ("digits", 400, 4000.0, 0.0), ("new", 2, 1500.0, 0.0))
    return one, four


def test_two_captures_stand_side_by_side(captures: tuple[Path, Path], run: Run) -> None:
    result = run("metrics", "--compare", *captures)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "MODEL                   one-worker  four-workers  RATIO",
        "digits  requests        100         400",
        "digits  mean inference  8.00 ms     4.00 ms       0.50x",
        "digits  mean queue      4.00 ms     0.00 ms       0.00x",
        "new     requests        -           2",
        "new     mean inference  -           1.50 ms",
        "new     mean queue      -           0.00 ms",
        "old     requests        1           -",
        "old     mean inference  -           -",
        "old     mean queue      -           -",
    ]


def test_as_json_they_are_pairs(captures: tuple[Path, Path], run: Run) -> None:
    pairs = json.loads(run("metrics", "--json", "--compare", *captures).stdout)
    assert [(pair["model"], pair["version"]) for pair in pairs] == [
        ("digits", "default"),
        ("new", "default"),
        ("old", "default"),
    ]
    assert pairs[0]["after"]["requests"] == 400
    assert pairs[1]["before"] is None


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": 1}', "7", "[{}]", '[{"model": "x"}]', "\x00"])
def test_what_is_no_capture_is_named(content: str, captures: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(content)
    result = run("metrics", "--compare", captures[0], other)
    assert result.exit_code == 2
    assert f"error: {other} is no capture of metrics\nhint: mardock metrics --json > CAPTURE\n" == result.stderr


def test_a_capture_that_is_not_there_is_named(captures: tuple[Path, Path], run: Run) -> None:
    result = run("metrics", "--compare", captures[0], "absent.json")
    assert result.exit_code == 2
    assert "error: cannot read absent.json: No such file or directory\n" in result.stderr


def test_bytes_that_are_no_text_are_no_capture(captures: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    assert run("metrics", "--compare", captures[0], tmp_path / "x.json").exit_code == 2
