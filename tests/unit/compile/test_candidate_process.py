"""A candidate's process may hang or die; what it was asked is answered all the same."""

from __future__ import annotations

import faulthandler
import os
import select
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Callable

import pytest
from tests.support.processes import is_running

from mardock.compile.candidate_process import CandidateProcess


def _hang(pipe: Connection) -> None:
    pipe.send(os.getpid())
    signal.pause()


def _segfault() -> None:
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)


def test_what_it_prints_goes_to_its_log_and_what_it_sends_comes_back(tmp_path: Path) -> None:
    def work(pipe: Connection) -> None:
        print("from the model")
        pipe.send("done")

    with CandidateProcess(work, tmp_path / "log") as process:
        assert process.ask(None, 60) == "done"
    assert (tmp_path / "log").read_text() == "from the model\n"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda: os._exit(3), "its process ended with exit code 3"),
        (_segfault, "its process died of SIGSEGV"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "its process died of SIGKILL, as of too little memory"),
        (lambda: 1 / 0, "its process ended with exit code 1: ZeroDivisionError: division by zero"),
    ],
)
def test_how_it_died_is_said(end: Callable[[], object], said: str, tmp_path: Path) -> None:
    def work(pipe: Connection) -> None:
        end()

    with CandidateProcess(work, tmp_path / "log") as process, pytest.raises(EOFError, match=said):
        process.ask(None, 60)


def test_one_that_hangs_is_given_up_and_ended(tmp_path: Path) -> None:
    with CandidateProcess(_hang, tmp_path / "log") as process:
        pid = process.ask(None, 60)
        with pytest.raises(TimeoutError, match="not done within"):
            process.ask(1.0, 0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_it_has_started_ends_with_it(tmp_path: Path) -> None:
    def work(pipe: Connection) -> None:
        child = os.fork()
        if child == 0:
            signal.pause()
        pipe.send(child)
        signal.pause()

    with CandidateProcess(work, tmp_path / "log") as process:
        grandchild = process.ask(None, 60)
    assert _ended(grandchild)


def test_it_ends_when_its_parent_is_killed() -> None:
    told, tell = os.pipe()
    parent = os.fork()
    if parent == 0:
        with CandidateProcess(lambda pipe: _say_and_hang(tell), Path(os.devnull)):
            signal.pause()
    os.close(tell)
    assert os.read(told, 1) == b"."
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert select.select([told], [], [], 60)[0]
    assert os.read(told, 1) == b""  # nobody is left who could write there
    os.close(told)


def _say_and_hang(tell: int) -> None:
    os.write(tell, b".")
    while True:
        signal.pause()


def _ended(pid: int) -> bool:
    import psutil

    try:
        psutil.Process(pid).wait(60)
    except psutil.NoSuchProcess:
        return True
    return not is_running(pid)
