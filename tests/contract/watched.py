"""A model under `mardock watch`, run as its own process: what it prints, what the server answers, what it leaves."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Optional

from tests.support.waiting import FEW_SECONDS, eventually

from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.endpoint import Endpoint
from mardock.engines.base import Engine
from mardock.errors import MardockError
from mardock.settings.project import Project

HANDLER = """
import os, time
{module}
class Handler:
    def initialize(self, context):
        {initialize}
    def handle(self, data, context):
        {handle}
"""
SETTINGS = """
[models.{name}]
sample = "datasets/sample"
[models.{name}.archive]
handler = "torchserve/{name}/handler.py{function}"
serialized_file = "src/{name}.bin"
extra_files = ["torchserve/{name}/extra"]
[models.{name}.serving]
initial_workers = {workers}
startup_timeout = {patience}
response_timeout = {patience}
"""


class Watched:
    """One model of a project, its files, and a watch of it when one was started.

    Args:
        patience: seconds TorchServe waits for it to start, and to answer.
    """

    def __init__(
        self,
        project: Project,
        engine: Engine,
        name: str,
        *,
        workers: int = 1,
        function: str = "",
        patience: int = 60,
    ) -> None:
        self.project = project
        self.engine = engine
        self.name = name
        self.folder = project.root / "torchserve" / name
        self.handler = self.folder / "handler.py"
        self.weights = project.root / "src" / f"{name}.bin"
        (self.folder / "extra").mkdir(parents=True)
        (self.folder / "extra" / "words.py").write_text("GREETING = 'hello'\n")
        self.weights.write_bytes(b"weights")
        (project.root / "datasets" / "sample").write_bytes(b"sample")
        self.save()
        with (project.root / "mardock.toml").open("a") as file:
            file.write(SETTINGS.format(name=name, workers=workers, function=function, patience=patience))
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self.process: Optional[subprocess.Popen[str]] = None

    @property
    def endpoint(self) -> Endpoint:
        return self.engine.endpoint()

    def save(self, answer: str = "'first'", *, module: str = "", initialize: str = "pass", handle: str = "") -> None:
        """Write the handler; what it answers is a Python expression."""
        handle = handle or f"return [str({answer})] * len(data)"
        self.handler.write_text(HANDLER.format(module=module, initialize=initialize, handle=handle))

    def start(self, *options: str, ready: str = "watching ") -> None:
        """Start watching, and return when it says so."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mardock", "-C", str(self.project.root), "watch", self.name, *options],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        self.hear(ready)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("")

    def hear(self, text: str) -> str:
        """Return the next line that holds a text."""
        deadline = time.monotonic() + FEW_SECONDS
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"{text!r} was not said, but:\n" + "\n".join(self.said)) from None
            self.said.append(line)
            if text in line:
                return line

    def everything_said(self) -> str:
        """Return all that was printed so far."""
        while not self._lines.empty():
            self.said.append(self._lines.get())
        return "\n".join(self.said)

    def answer(self) -> str:
        """Return what the model answers, or its error."""
        try:
            with InferenceClient(self.endpoint) as client:
                return client.predict(self.name, b"x", timeout=FEW_SECONDS).body.decode()
        except MardockError as error:
            return f"error: {error.message}"

    def until(self, answer: str) -> None:
        """Return once the model answers like that."""
        eventually(lambda: self.answer() == answer, lambda: f"{answer!r} expected, not {self.answer()!r}")

    def versions(self) -> list[str]:
        """Return the registered versions."""
        with ManagementClient(self.endpoint) as client:
            try:
                return sorted(status.version for status in client.describe(self.name))
            except MardockError:
                return []

    def folders(self) -> list[str]:
        """Return what is in the model store for this model."""
        return sorted(path.name for path in self.project.model_store.glob(f".{self.name}-*"))

    def processes(self) -> list[str]:
        """Return the versions' folders that processes run in, each once."""
        found = set()
        for entry in Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                found.add(Path(os.readlink(entry)))  # noqa: PTH115
        return sorted(path.name for path in found if path.name.startswith(f".{self.name}-"))

    def assert_only(self, version: str) -> None:
        """Check that one version is registered and nothing else is left, once what was replaced has gone."""
        folder = f".{self.name}-{version}"

        def left() -> tuple[list[str], ...]:
            return self.versions(), self.folders(), self.processes()

        eventually(lambda: left() == ([version], [folder], [folder]), left)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Interrupt the watch and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(FEW_SECONDS)

    def close(self) -> None:
        """End the watch, if one runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
