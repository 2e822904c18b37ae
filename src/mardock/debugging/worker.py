"""The handler TorchServe loads in a debug worker: debugpy that listens, and in its own place the model's handler.

A copy of this file lies in the model's folder beside debugpy and its settings; it runs with the server's Python and
imports nothing of mardock.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Optional

LISTENS = "mardock: debugpy listens on port"
"""Written to the log, followed by the port, once it is so."""

HOST = "127.0.0.1"
SETTINGS = "debug.json"


class Sources(MetaPathFinder):
    """Finds the model's modules as ever, and compiles each under the path its file has for the debugger.

    `__file__` stays where the model is, for the handlers that look for their files there.

    Args:
        folder: the model's.
        known_as: the debugger's path of each of the model's Python files, by its path in the folder.
    """

    def __init__(self, folder: Path, known_as: Mapping[str, str]) -> None:
        self._paths = {_module(member): os.path.join(folder, path) for member, path in known_as.items()}  # noqa: PTH118

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """Find one of the model's modules; None for any other."""
        found = PathFinder.find_spec(fullname, path, target) if fullname in self._paths else None
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = _Loader(fullname, found.loader.path, self._paths[fullname])
        return found


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, known_as: str) -> None:
        super().__init__(fullname, path)
        self._known_as = known_as

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self._known_as)
        return code


def load(folder: Path) -> ModuleType:
    """Let debuggers attach, wait for one when that was asked for, and return the module of the model's handler."""
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # it warns of Python's frozen modules, which nobody steps into
    debugpy = importlib.import_module("debugpy")
    debugpy.configure(subProcess=False)  # a child's debugger would listen where no relay leads to
    _, port = debugpy.listen((HOST, 0))
    print(LISTENS, port, flush=True)  # noqa: T201 - TorchServe logs what its workers print
    _lock_while_busy(folder / SETTINGS)
    if settings["wait"]:
        debugpy.wait_for_client()
    sys.meta_path.insert(0, Sources(folder, settings["sources"]))
    return importlib.import_module(settings["handler"])


def _lock_while_busy(file: Path) -> None:
    """Hold a lock on a file during each batch, so that the session ends between two of them."""
    service = importlib.import_module("ts.service").Service
    predict = service.predict

    def predict_locked(self: Any, batch: Any) -> Any:
        with file.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            return predict(self, batch)

    service.predict = predict_locked


def _module(member: str) -> str:
    return member[: -len(".py")].replace("/", ".").removesuffix(".__init__")


if __name__ == "mardock_debug":
    sys.modules[__name__] = load(Path(__file__).resolve().parent)  # what the import of this module then returns
