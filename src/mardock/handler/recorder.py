"""Watching a handler at work: each stage timed, what goes in and out described, the request keys it asks for."""

from __future__ import annotations

import functools
import os
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

from mardock.handler.outcome import Raised, Stage
from mardock.handler.shapes import describe

_OWN_FOLDER = str(Path(__file__).parents[1]) + os.sep


class Recorder:
    """Collects the stages of one batch, or of loading.

    Args:
        entering: called with a stage's name just before it runs.
    """

    def __init__(self, entering: Callable[[str], None]) -> None:
        self.current = ""
        self._entering = entering
        self._stages: dict[str, Stage] = {}

    def enter(self, stage: str) -> None:
        """Note which stage runs now."""
        self.current = stage
        self._entering(stage)

    def add(self, stage: Stage) -> None:
        """Keep a stage, or add its time to that of its earlier calls."""
        known = self._stages.get(stage.name)
        if known:
            stage = Stage(stage.name, known.seconds + stage.seconds, known.calls + 1, known.took, known.gave)
        self._stages[stage.name] = stage

    def take(self) -> tuple[Stage, ...]:
        """Return the stages since the last time, in the order they ended."""
        stages, self._stages = tuple(self._stages.values()), {}
        return stages

    def raised(self, error: BaseException) -> Raised:
        """Describe an exception by the stage that runs and its traceback, without the frames that watched it pass."""
        told = traceback.TracebackException.from_exception(error)
        _leave_out_own_frames(told)
        return Raised(self.current, "".join(told.format()))

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap one of the handler's own methods."""

        @functools.wraps(call)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            outer = self.current
            self.enter(name)
            took = describe(args[0]) if args and name != "initialize" else ""
            started = time.perf_counter()
            result = call(*args, **kwargs)
            seconds = time.perf_counter() - started
            self.add(Stage(name, seconds, took=took, gave="" if name == "initialize" else describe(result)))
            self.enter(outer)
            return result

        return wrapper


def _leave_out_own_frames(told: traceback.TracebackException) -> None:
    told.stack = traceback.StackSummary.from_list(
        [frame for frame in told.stack if not frame.filename.startswith(_OWN_FOLDER)]
    )
    for cause in (told.__cause__, told.__context__):
        if cause is not None:
            _leave_out_own_frames(cause)


class WatchedRequest(dict[str, Any]):
    """One request as the handler gets it, which remembers the keys it was asked for."""

    def __init__(self, request: dict[str, Any]) -> None:
        super().__init__(request)
        self.missed: list[str] = []
        self.was_read = False

    def __getitem__(self, key: str) -> Any:
        self._asked(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._asked(key)
        return super().get(key, default)

    def __iter__(self) -> Iterator[str]:
        self.was_read = True
        return super().__iter__()

    def values(self) -> Any:
        self.was_read = True
        return super().values()

    def items(self) -> Any:
        self.was_read = True
        return super().items()

    @property
    def warning(self) -> Optional[str]:
        """What is wrong when the handler asked only for keys that are not there."""
        if self.was_read or not self.missed:
            return None
        asked = ", ".join(repr(key) for key in dict.fromkeys(self.missed))
        return (
            f"the handler got None: it asked the request for {asked}, which holds {', '.join(map(repr, self.keys()))};"
            " a raw body arrives under 'body', a form field under its own name"
        )

    def _asked(self, key: str) -> None:
        if key in self.keys():
            self.was_read = True
        else:
            self.missed.append(key)
