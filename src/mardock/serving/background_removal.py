"""Retirement: old versions go, each in a thread of its own, when their requests are answered."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Optional

from mardock.archive.directory import remove
from mardock.errors import MardockError
from mardock.serving.removal import retire
from mardock.serving.served_model import ServedModel

_MOST = 2  # versions that wait at once: each has workers of its own


class Retirement:
    """Sees old versions off."""

    def __init__(self) -> None:
        self._leaving: list[tuple[threading.Thread, threading.Event]] = []

    def add(self, model: ServedModel, version: str, folder: Optional[Path], sample: Optional[bytes]) -> None:
        """Unregister a version once its requests are answered, then delete its folder, if it has one.

        Of several versions that wait for long requests, the oldest is not waited for any longer.
        """
        hurry = threading.Event()

        def leave() -> None:
            with suppress(MardockError):  # the server is gone, and the version with it
                retire(model, version, sample, hurry.is_set)
            if folder is not None:
                remove(folder)

        self._leaving = [(thread, event) for thread, event in self._leaving if thread.is_alive()]
        for _, event in self._leaving[: len(self._leaving) + 1 - _MOST]:
            event.set()
        thread = threading.Thread(target=leave, daemon=True)
        thread.start()
        self._leaving.append((thread, hurry))

    def finish(self, timeout: float) -> None:
        """Return when all are gone; after `timeout` seconds their requests are not waited for any longer."""
        deadline = time.monotonic() + timeout
        for thread, _ in self._leaving:
            thread.join(max(deadline - time.monotonic(), 0))
        for thread, hurry in self._leaving:
            hurry.set()
            thread.join()
