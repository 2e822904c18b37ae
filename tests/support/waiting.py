"""Waiting for what comes a moment later, on a busy machine too."""

from __future__ import annotations

import time
from typing import Callable

FEW_SECONDS = 60.0


def eventually(condition: Callable[[], bool], otherwise: Callable[[], object]) -> None:
    """Return once a condition holds; fail with what there is instead after a while."""
    deadline = time.monotonic() + FEW_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(otherwise())
        time.sleep(0.02)
