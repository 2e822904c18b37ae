"""The folder where the process of a trial leaves word for the one that started it, also when it dies on the way."""

from __future__ import annotations

import faulthandler
import itertools
import linecache
import os
import pickle
import re
import signal
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from mardock.errors import Reason
from mardock.handler.outcome import Raised, Trial

if TYPE_CHECKING:
    from mardock.handler.trial_spec import TrialSpec

_OWN_FOLDER = str(Path(__file__).parents[1]) + os.sep
_OUTERMOST = str(Path(__file__).with_name("trial.py"))
_FRAME = re.compile(r'  File "(?P<path>.*)", line (?P<line>\d+) in (?P<function>.*)')


class TrialFolder:
    """Files in a folder both processes know.

    Args:
        folder: an empty one, removed by whoever reads them.
    """

    def __init__(self, folder: Path) -> None:
        self.model_dir = folder / "models" / uuid.uuid4().hex  # TorchServe's own layout
        self._stage, self._trial, self._dump = folder / "stage", folder / "trial", folder / "dump"

    def entering(self, stage: str) -> None:
        """Note what runs from now on."""
        self._stage.write_text(stage)

    def watch(self) -> None:
        """Note from now on where this process is when it crashes."""
        self._dump_file = self._dump.open("w")  # kept open: faulthandler writes to its descriptor
        faulthandler.enable(self._dump_file)

    def limit(self, timeout: float) -> None:
        """Give this process so many seconds from now, then note where it is and end it."""
        faulthandler.dump_traceback_later(timeout, exit=True, file=self._dump_file)

    def keep(self, trial: Trial) -> None:
        """Note how the whole trial went."""
        self._trial.write_bytes(pickle.dumps(trial))

    def conclude(self, spec: TrialSpec, exit_code: int) -> Trial:
        """Return the trial as its process noted it, else one that says what became of the process."""
        if self._trial.exists():
            trial: Trial = pickle.loads(self._trial.read_bytes())  # noqa: S301 - written above
            return trial
        stage = self._stage.read_text() if self._stage.exists() else "load"
        dump = self._dump.read_text() if self._dump.exists() else ""
        out_of_time = dump.startswith("Timeout")
        reason, sentence = _too_late(spec, stage) if out_of_time else _death(exit_code)
        return Trial(raised=Raised(stage, self._as_raised(sentence, dump), reason))

    def _as_raised(self, sentence: str, dump: str) -> str:
        """Return a traceback to where the process was, as if the sentence had been raised there."""
        threads = dump.split("\n\n")
        ours = [thread for thread in threads if str(self.model_dir) in thread]
        frames = _handlers_own((ours or threads)[-1])
        lines = ["Traceback (most recent call last):"] if frames else []
        for frame in reversed(frames):
            lines.append(f'  File "{frame["path"]}", line {frame["line"]}, in {frame["function"]}')
            lines.append(f"    {linecache.getline(frame['path'], int(frame['line'])).strip()}")
        return "\n".join([*lines, sentence])


def _handlers_own(thread: str) -> list[re.Match[str]]:
    """The calls below the trial's own, innermost first as faulthandler prints them."""
    calls = itertools.takewhile(lambda frame: frame["path"] != _OUTERMOST, _FRAME.finditer(thread))
    return [frame for frame in calls if not frame["path"].startswith(_OWN_FOLDER)]


def _too_late(spec: TrialSpec, stage: str) -> tuple[Reason, str]:
    if stage in ("load", "initialize"):
        limit = f"startup_timeout ({spec.startup_timeout:g} s)"
        return Reason.NOT_LOADED, f"TimeoutError: the worker did not load the model within {limit}"
    limit = f"response_timeout ({spec.response_timeout:g} s)"
    return Reason.NOT_ANSWERED, f"TimeoutError: the worker did not answer within {limit}"


def _death(exit_code: int) -> tuple[Reason, str]:
    if exit_code == 128 + signal.SIGKILL:
        return Reason.KILLED, "the handler was killed (exit code 137), as systems do that are out of memory"
    if exit_code > 128:
        name = signal.Signals(exit_code - 128).name
        return Reason.ENDED, f"SystemError: the handler crashed Python: {name} (exit code {exit_code})"
    return Reason.ENDED, f"the handler ended its process with exit code {exit_code}: in TorchServe the worker dies"
