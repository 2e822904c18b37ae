"""Clients that ask one model again and again, and keep what they are answered."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Optional

from mardock.client.inference import InferenceClient
from mardock.endpoint import Endpoint
from mardock.errors import MardockError

FEW_SECONDS = 60.0


class Clients:
    """A context in which a number of threads ask a model without a pause.

    Attributes:
        errors: what was raised instead of an answer.
    """

    def __init__(
        self, endpoint: Endpoint, model: str, count: int, body: bytes = b"x", timeout: float = FEW_SECONDS
    ) -> None:
        self.errors: list[MardockError] = []
        self._endpoint, self._model, self._body, self._timeout = endpoint, model, body, timeout
        self._newest = b""
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def until(self, answer: bytes) -> None:
        """Return once the newest answer is this one."""
        deadline = time.monotonic() + FEW_SECONDS
        while self._newest != answer:
            assert time.monotonic() < deadline, f"{answer!r} expected, not {self._newest!r} or {self.errors}"
            time.sleep(0.01)

    def _ask(self) -> None:
        with InferenceClient(self._endpoint) as client:
            while not self._over.is_set():
                try:
                    self._newest = client.predict(self._model, self._body, timeout=self._timeout).body
                except MardockError as error:
                    self.errors.append(error)
