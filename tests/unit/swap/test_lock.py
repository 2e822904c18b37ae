"""One watch per model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mardock.errors import ConfigError
from mardock.swap.lock import watch_lock


def test_a_second_watch_of_a_model_is_refused_and_the_first_one_named(tmp_path: Path) -> None:
    with watch_lock(tmp_path / "state", "digits"):
        with pytest.raises(ConfigError, match=f"by pid {os.getpid()}"), watch_lock(tmp_path / "state", "digits"):
            pass
        with watch_lock(tmp_path / "state", "letters"):
            pass
    with watch_lock(tmp_path / "state", "digits"):
        pass
