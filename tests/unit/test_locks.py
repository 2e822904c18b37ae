"""Locks: who holds one is named, a dead holder's is free, and what was renamed meanwhile is locked anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mardock import locks, place
from mardock.errors import EngineError

DOING = "tuning a model of this project"
HOLDER = """
import sys
from pathlib import Path
from mardock import locks

with locks.hold(Path(sys.argv[1]), doing="training"):
    print(flush=True)
    sys.stdin.read()
"""


def test_a_lock_tells_its_holder_and_what_that_is_doing(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "lock"
    told = rf"another mardock command \(pid {os.getpid()}\) is {DOING}"
    with locks.hold(lock, doing=DOING), pytest.raises(EngineError, match=told), locks.hold(lock, doing="waiting"):
        pytest.fail("held twice")
    with locks.hold(lock, doing="waiting"):
        pass


def test_a_lock_names_its_holder_with_the_place_where_its_pid_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = f"{os.getpid()} in the container {os.uname().nodename}"
    with locks.hold(tmp_path / "lock", doing=DOING):
        monkeypatch.setenv(place.VARIABLE, "dev")
        refused_with(tmp_path / "lock", f"{os.getpid()} on the host")
    with locks.hold(tmp_path / "lock", doing=DOING):
        refused_with(tmp_path / "lock", container)
        monkeypatch.delenv(place.VARIABLE)
        refused_with(tmp_path / "lock", container)


def refused_with(lock: Path, owner: str) -> None:
    with pytest.raises(EngineError) as caught, locks.hold(lock, doing=DOING):
        pass
    assert f"(pid {owner})" in caught.value.message
    assert caught.value.hint == f"wait for it, or end it: kill {owner}"


def test_a_holder_that_did_not_say_who_it_is_yet_is_at_what_the_lock_is_for(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    told = rf"\(pid unknown\) is {DOING}"
    with locks.attempt(lock), pytest.raises(EngineError, match=told), locks.hold(lock, doing=DOING):
        pass


def test_it_waits_for_its_holder_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    argv = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(EngineError, match=rf"\(pid {holder.pid}\) is training"), locks.hold(lock, doing=DOING):
            pass
        holder.kill()
        with locks.hold(lock, doing=DOING, timeout=60):
            assert lock.read_text() == f"{os.getpid()}\n{DOING}\n"


def test_a_file_that_was_renamed_is_not_what_is_locked(tmp_path: Path) -> None:
    lock = tmp_path / "draft"
    with locks.attempt(lock) as first:
        assert first is not None
        lock.rename(tmp_path / "done")
        assert not locks.is_at(first, lock)
        with locks.attempt(lock) as second:
            assert second is not None


def test_a_place_that_cannot_be_written_is_named_with_what_mends_it(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    lock = tmp_path / "state" / "lock"
    told = f"cannot use {lock}: File exists"
    with pytest.raises(EngineError, match=told) as caught, locks.hold(lock, doing=DOING):
        pass
    assert caught.value.hint == f"move it away: mv {tmp_path}/state {tmp_path}/state.old"
