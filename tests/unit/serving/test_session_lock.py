"""One watch or debug session per model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from mardock.errors import ConfigError
from mardock.serving.session_lock import nobody_in, session


@pytest.mark.parametrize("second", ["watched", "debugged"])
def test_a_second_session_of_a_model_is_refused_and_the_first_one_named(
    tmp_path: Path, second: Literal["watched", "debugged"]
) -> None:
    state = tmp_path / "state"
    told = f"digits is watched already, by pid {os.getpid()}"
    with session(state, "digits", "watched"):
        with pytest.raises(ConfigError, match=told), session(state, "digits", second):
            pass
        with session(state, "letters", second):
            pass
    with session(state, "digits", second):
        pass


def test_a_session_in_the_dev_container_is_named_with_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARDOCK_INSIDE", "dev")
    with session(tmp_path, "digits", "watched"):
        monkeypatch.delenv("MARDOCK_INSIDE")
        told = f"digits is watched already, by pid {os.getpid()} in the container {os.uname().nodename}"
        with pytest.raises(ConfigError, match=told), session(tmp_path, "digits", "debugged"):
            pass


def test_nobody_in_a_session_is_known_and_kept_so(tmp_path: Path) -> None:
    with nobody_in(tmp_path, "digits") as alone:
        assert alone
        with (
            pytest.raises(ConfigError, match="digits is being registered already"),
            session(tmp_path, "digits", "tuned"),
        ):
            pass
    with session(tmp_path, "digits", "watched"), nobody_in(tmp_path, "digits") as alone:
        assert not alone
    with nobody_in(None, "digits") as alone:
        assert not alone
