"""A log that is still being written, read until the failure in it stands still."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Optional, Protocol

from mardock.causes import failures
from mardock.causes.audience import Audience
from mardock.causes.cause import Cause
from mardock.causes.worker_log import ends, last_words
from mardock.errors import Reason

_PATIENCE_S = 2.0
_DRAINING_S = 30.0  # a worker may have written more than TorchServe logs in a moment
_POLL_S = 0.05


class Clock(Protocol):
    """Time in seconds that only goes forward; the module `time` is one."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


def settled(
    read: Callable[[], Sequence[str]],
    model: Optional[str],
    version: Optional[str],
    audience: Audience,
    *,
    clock: Clock = time,
    patience: float = _PATIENCE_S,
    deaths: int = 1,
) -> Cause:
    """Return why a model failed: TorchServe answers, and ends workers, before it has logged what they wrote.

    Args:
        read: returns the log from the moment on that matters.
        patience: seconds to wait for another line.
        deaths: how many workers have to end without an exception before it is believed: a first one's last words may
            be lost (see `worker_log.ends`), where TorchServe starts another.
    """
    last = clock.monotonic() + _DRAINING_S
    deadline = clock.monotonic() + patience
    before: Optional[Cause] = None
    newest = ""
    while True:
        lines = read()
        found = failures.find(lines, model, version, audience)
        is_settled = found == before if found else ends(lines, model, version) >= deaths
        if lines and lines[-1] != newest:
            newest, deadline = lines[-1], min(clock.monotonic() + patience, last)
        if is_settled or clock.monotonic() >= deadline:
            output = last_words(lines, model, version)
            return replace(found, output=output) if found else Cause(Reason.ENDED, output=output, model=model)
        before = found
        clock.sleep(_POLL_S)
