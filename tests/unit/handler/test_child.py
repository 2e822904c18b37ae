"""The process a trial runs in, seen from the one that waits for it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from tests.support.environments import PACKAGE, Environment

from mardock.handler.child import Child

FEW_SECONDS = 60.0


class Slow(Child):
    """One whose parent does nothing after it has handed over the job until the child has interrupted it."""

    def _send(self, part: bytes) -> None:
        super()._send(part)
        if len(part) == 1:
            deadline = time.monotonic() + FEW_SECONDS
            while not self.interrupted and time.monotonic() < deadline:
                time.sleep(0.01)


def nothing() -> None:
    """Prepare nothing."""


def interrupt(parent: int) -> None:
    """Do what a terminal does at Ctrl-C, then go on until the parent passes it on."""
    os.kill(parent, signal.SIGINT)
    time.sleep(FEW_SECONDS)


def test_ctrl_c_reaches_the_child_however_early_it_comes() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Slow(nothing, interrupt) as child:
        assert child.run(os.getpid()) == 0
    assert child.interrupted
    assert signal.getsignal(signal.SIGINT) is before


def test_another_python_does_the_work_and_needs_no_mardock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    other = Environment(tmp_path / "other")
    seen = tmp_path / "seen"
    job = "import sys, mardock.locks; open(seen, 'w').write(' '.join([sys.prefix, *sys.path]))"
    with Child(os.getpid, exec, python=other.python) as child:
        assert child.run(job, {"seen": seen}) == 0
    prefix, *path = seen.read_text().split(" ")
    assert prefix == str(other.folder)
    assert str(other.packages) in path
    assert not {"", str(PACKAGE), str(PACKAGE.parent)} & {*path}  # nothing that is installed here gets into it


def test_a_child_can_move_to_another_python_before_it_has_a_job(tmp_path: Path) -> None:
    other = Environment(tmp_path / "other")
    with Child(nothing, exec) as child:
        child._prepare = os.getpid
        child.move_to(other.python)
        assert child.run("import sys; open(seen, 'w').write(sys.prefix)", {"seen": tmp_path / "seen"}) == 0
    assert (tmp_path / "seen").read_text() == str(other.folder)


def test_its_parent_hears_what_it_says_until_it_ends() -> None:
    heard: list[str] = []
    with Child(nothing, os.write) as child:
        assert child.run(child.mouth, b"one\ntwo\n", hear=heard.append) == 0
    assert heard == ["one", "two"]


def test_an_interpreter_that_is_gone_ends_the_child(tmp_path: Path) -> None:
    with Child(os.getpid, os.mkdir, python=tmp_path / "nowhere") as child:
        assert child.run(tmp_path / "made") == 1
