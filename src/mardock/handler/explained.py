"""What a trial's handler raised, told as a failure in the server's log is."""

from __future__ import annotations

from collections.abc import Mapping

from mardock.handler import failures
from mardock.handler.failures import HandlerFailure
from mardock.handler.mends import mend_for
from mardock.handler.outcome import Raised


def explain(raised: Raised, sources: Mapping[str, str]) -> HandlerFailure:
    """Put the user's own call first and find the mend.

    Args:
        sources: the project's path of each member of the archive.
    """
    as_logged = [f"W-9000-model_1.0-stdout MODEL_LOG - {line}" for line in raised.traceback.splitlines()]
    found = failures.find(as_logged, "model", "1.0", sources)
    return found or HandlerFailure(exception=raised.traceback, traceback="", hint=mend_for(raised.traceback))
