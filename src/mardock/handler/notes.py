"""What the process of a trial leaves behind for the one that started it, also when it dies on the way."""

from __future__ import annotations

import faulthandler
import itertools
import linecache
import os
import pickle
import re
import uuid
from pathlib import Path
from typing import Optional

from mardock.handler.outcome import Raised, Trial

_OWN_FOLDER = str(Path(__file__).parents[1]) + os.sep
_OUTERMOST = str(Path(__file__).with_name("trial.py"))
_FRAME = re.compile(r'  File "(?P<path>.*)", line (?P<line>\d+) in (?P<function>.*)')


class Notes:
    """Files in a folder both processes know.

    Args:
        folder: an empty one, removed by whoever reads the notes.
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

    def trial(self) -> Optional[Trial]:
        """The trial, or None when its process died before the end."""
        return pickle.loads(self._trial.read_bytes()) if self._trial.exists() else None  # noqa: S301 - written above

    def stage(self) -> str:
        """The last stage that was entered."""
        return self._stage.read_text() if self._stage.exists() else "load"

    def ran_out_of_time(self) -> bool:
        """Whether the process ended because its time was over."""
        return self._dump.exists() and self._dump.read_text().startswith("Timeout")

    def last_call(self, sentence: str) -> Raised:
        """Where the process was when its time was over or it crashed, told as if `sentence` had been raised there."""
        threads = self._dump.read_text().split("\n\n") if self._dump.exists() else [""]
        ours = [thread for thread in threads if str(self.model_dir) in thread]
        frames = _handlers_own((ours or threads)[-1])
        lines = ["Traceback (most recent call last):"] if frames else []
        for frame in reversed(frames):
            lines.append(f'  File "{frame["path"]}", line {frame["line"]}, in {frame["function"]}')
            lines.append(f"    {linecache.getline(frame['path'], int(frame['line'])).strip()}")
        return Raised(self.stage(), "\n".join([*lines, sentence]))


def _handlers_own(thread: str) -> list[re.Match[str]]:
    """The calls below the trial's own, innermost first as faulthandler prints them."""
    calls = itertools.takewhile(lambda frame: frame["path"] != _OUTERMOST, _FRAME.finditer(thread))
    return [frame for frame in calls if not frame["path"].startswith(_OWN_FOLDER)]
