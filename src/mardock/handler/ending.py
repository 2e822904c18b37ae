"""How the process of a trial ended, when it did not live to tell."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from mardock.handler.outcome import Trial

if TYPE_CHECKING:
    from mardock.handler.notes import Notes
    from mardock.handler.trial import TrialSpec


def conclude(spec: TrialSpec, notes: Notes, exit_code: int) -> Trial:
    """Return the trial as its process noted it, else one that says what became of the process."""
    trial = notes.trial()
    if trial is not None:
        return trial
    sentence = _too_late(spec, notes.stage()) if notes.ran_out_of_time() else _death(exit_code)
    return Trial(raised=notes.last_call(sentence))


def _too_late(spec: TrialSpec, stage: str) -> str:
    if stage in ("load", "initialize"):
        return f"TimeoutError: the worker did not load the model within startup_timeout ({spec.startup_timeout:g} s)"
    return f"TimeoutError: the worker did not answer within response_timeout ({spec.response_timeout:g} s)"


def _death(exit_code: int) -> str:
    if exit_code == 128 + signal.SIGKILL:
        return "the handler was killed (exit code 137), as systems do that are out of memory"
    if exit_code > 128:
        return (
            f"SystemError: the handler crashed Python: {signal.Signals(exit_code - 128).name} (exit code {exit_code})"
        )
    return f"the handler ended its process with exit code {exit_code}: in TorchServe the worker dies"
