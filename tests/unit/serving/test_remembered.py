"""What is remembered of a model: only what is sound, and only while the project's files say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mardock.serving.remembered import Remembered, Version, ask_back, recall

KEPT = {
    "url": ".dog-0123456789ab.mar",
    "workers": 3,
    "most": 4,
    "batch_size": 1,
    "max_batch_delay": 100,
    "response_timeout": 120,
    "startup_timeout": 120,
}
DOG = {"configured": 1, "default": "1.0", "versions": {"1.0": KEPT}}


def test_workers_hold_until_the_projects_files_say_another_number(tmp_path: Path) -> None:
    (tmp_path / ".served.json").write_text(json.dumps({"dog": DOG}))
    known = recall(tmp_path, "dog")
    assert known == Remembered(1, "1.0", {"1.0": Version(**KEPT)})  # type: ignore[arg-type]
    assert (known.workers("1.0", 1), known.workers("1.0", 2), known.workers("2.0", 1)) == (3, None, None)
    assert recall(tmp_path, "cat") is None


@pytest.mark.parametrize("written", ["", "{", "[]", {"dog": 1}, {"dog": {}}, {"dog": {**DOG, "versions": {"1.0": {}}}}])
def test_what_was_damaged_is_forgotten(tmp_path: Path, written: Any) -> None:
    (tmp_path / ".served.json").write_text(written if isinstance(written, str) else json.dumps(written))
    assert recall(tmp_path, "dog") is None


def test_a_model_that_is_asked_for_again_is_no_longer_unregistered(tmp_path: Path) -> None:
    unregistered: dict[str, Any] = {"configured": 1, "default": None, "versions": {}}
    (tmp_path / ".served.json").write_text(json.dumps({"cat": unregistered, "dog": DOG}))
    for name in ("cat", "dog", "stranger"):
        ask_back(tmp_path, name)
    assert recall(tmp_path, "cat") is None
    assert recall(tmp_path, "dog") is not None
    assert list(json.loads((tmp_path / ".served.json").read_text())) == ["dog"]
