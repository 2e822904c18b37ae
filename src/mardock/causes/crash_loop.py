"""Crash loops: a worker that TorchServe starts again and again because it keeps dying."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from mardock.causes import failures
from mardock.causes.audience import Audience
from mardock.causes.cause import Cause
from mardock.causes.worker_log import LOADED, last_words, log_lines
from mardock.errors import Reason


def keeps_dying(lines: Iterable[str], model: Optional[str], version: Optional[str] = None) -> bool:
    """Say whether, at the end of these lines, a worker of the model died and has not loaded it again."""
    dead = set()
    for line in log_lines(lines, model, version):
        if line.worker and line.worker.text.startswith("Retry worker: "):
            dead.add(line.worker.port)
        elif line.worker and LOADED in line.worker.text:
            dead.discard(line.worker.port)
        elif "-> WORKER_SCALED_DOWN" in line.raw:  # tagged with the thread that was asked to, not with the worker
            dead = {port for port in dead if f" W-{port}-" not in line.raw}
    return bool(dead)


def cause(lines: Sequence[str], model: str, version: Optional[str], audience: Audience) -> Cause:
    """Return what the worker of a model that keeps dying died of last."""
    found = failures.find(lines, model, version, audience)
    return found or Cause(Reason.ENDED, output=last_words(lines, model, version), model=model)
