"""One debug session per model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mardock.debugging.lock import session_lock
from mardock.errors import ConfigError


def test_a_model_has_one_session_at_a_time(tmp_path: Path) -> None:
    with session_lock(tmp_path, "mnist"), session_lock(tmp_path, "other"):
        second = session_lock(tmp_path, "mnist")
        with pytest.raises(ConfigError, match=rf"mnist is being debugged already \(pid {os.getpid()}\)"):
            second.__enter__()
    with session_lock(tmp_path, "mnist"):
        pass
