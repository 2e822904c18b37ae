"""Calls side by side: in order, so many at once, and nobody waits for those whose answers nobody wants."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import mardock
from mardock.serving import background

HANGS = """
import threading
from mardock.serving import background

def call(item):
    print("begun", flush=True)
    threading.Event().wait()

list(background.each(call, [1, 2, 3], at_once=1))
"""


def test_results_come_in_order_and_no_more_calls_are_under_way_than_may_be() -> None:
    both, most, lock = threading.Barrier(2), [0, 0], threading.Lock()

    def call(item: int) -> int:
        with lock:
            most[0] += 1
            most[1] = max(most)
        both.wait()  # met by another call, so two are under way
        with lock:
            most[0] -= 1
        return 2 * item

    assert list(background.each(call, range(6), at_once=2)) == [0, 2, 4, 6, 8, 10]
    assert most == [0, 2]
    assert list(background.each(call, [], at_once=2)) == []


def test_a_failure_is_raised_in_its_turn() -> None:
    def call(item: int) -> int:
        if item == 1:
            raise ValueError(item)
        return item

    answers = background.each(call, range(3), at_once=1)
    assert next(answers) == 0
    with pytest.raises(ValueError, match="1"):
        list(answers)
    with pytest.raises(StopIteration):
        next(answers)


def test_ctrl_c_ends_a_process_whose_calls_hang() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGS],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"PYTHONPATH": str(Path(mardock.__file__).parents[1])},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=60) == -signal.SIGINT
        finally:
            process.kill()
