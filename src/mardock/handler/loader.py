"""TorchServe's loader, with the handler's methods timed before they are first called."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import ts
from ts.model_loader import TsModelLoader

from mardock.handler.outcome import Stage
from mardock.handler.recorder import Recorder

TS_FOLDER = Path(ts.__file__).parent
STAGES = ("preprocess", "inference", "postprocess")


class TimedLoader(TsModelLoader):  # type: ignore[misc]  # TorchServe has no types
    """Finds the handler, its entry point and its `initialize` as a worker does."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._started = time.perf_counter()

    def _get_class_entry_point(self, module: ModuleType) -> tuple[Any, Any]:
        handle, initialize = super()._get_class_entry_point(module)
        owner = getattr(handle, "__self__", None)
        for name in STAGES:
            method = getattr(owner, name, None)
            if callable(method):
                with contextlib.suppress(AttributeError):  # with __slots__ a handler is only timed as a whole
                    setattr(owner, name, self._recorder.timed(name, method))
        return self._timed(handle, initialize)

    def _get_function_entry_point(self, module: ModuleType, function_name: str) -> tuple[Any, Any]:
        return self._timed(*super()._get_function_entry_point(module, function_name))

    def _timed(self, handle: Any, initialize: Any) -> tuple[Any, Any]:
        self._recorder.add(Stage("load", time.perf_counter() - self._started))
        return self._recorder.timed("handle", handle), self._recorder.timed("initialize", initialize)
