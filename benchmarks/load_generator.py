"""How much load `mardock bench` makes, beside wrk, locust's FastHttpUser and `requests`, on one TorchServe in one run.

    python -m benchmarks.load_generator [--rounds 5]

It starts a TorchServe of its own with a handler that does nothing (2 workers, batches of 32, 1 ms delay), then lets the
tools take turns with 64 connections and with one, 4 s each. wrk (Debian package `wrk`) and locust (`pip install
locust`) are left out where they are not installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

from benchmarks import ports, results
from mardock.client.management import ManagementClient
from mardock.engines.native import NativeEngine
from mardock.settings.project import Project
from mardock.settings.template import write_project

ROUNDS = 5
SECONDS = 4.0
CONNECTIONS = 64
BODY = "x" * 100
WRK, LOCUST, REQUESTS = "wrk, one thread", "locust's FastHttpUser", "requests in threads"
CEILING = "its own ceiling, a server that does nothing"
GOALS = {WRK: results.at_least(0.9), LOCUST: results.at_least(2), REQUESTS: results.at_least(10), CEILING: None}
HANDLER = "def handle(data, context):\n    return ['ok'] * len(data) if data else None\n"
REQUESTS_LOOP = """
import sys, threading, time, requests
url, body, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
counts, end = [0] * threads, time.monotonic() + seconds
def call(i):
    with requests.Session() as session:
        while time.monotonic() < end:
            session.post(url, data=body).raise_for_status()
            counts[i] += 1
callers = [threading.Thread(target=call, args=(i,)) for i in range(threads)]
[caller.start() for caller in callers]
[caller.join() for caller in callers]
print(sum(counts) / seconds)
"""
LOCUSTFILE = """
from locust import FastHttpUser, task
class Caller(FastHttpUser):
    @task
    def predict(self):
        self.client.post("/predictions/tiny", data="{body}")
"""


@contextmanager
def tuned_torchserve(folder: Path) -> Iterator[tuple[Project, str]]:
    """Serve the model `tiny` from a project in a folder; yields the project and the URL of its predictions."""
    write_project(folder)
    ports.claim(folder)
    archive = folder / "artifacts" / "tiny" / "MAR-INF"
    archive.mkdir(parents=True)
    model = {"modelName": "tiny", "modelVersion": "1.0", "handler": "handler.py"}
    (archive / "MANIFEST.json").write_text(json.dumps({"runtime": "python", "model": model}))
    (archive.parent / "handler.py").write_text(HANDLER)
    (folder / "body").write_text(BODY)
    project = Project(folder)
    engine = NativeEngine(project)
    try:
        endpoint = engine.up(timeout=60)
        with closing(ManagementClient(endpoint)) as client:
            client.register("tiny", initial_workers=2, batch_size=32, max_batch_delay=1)
        yield project, f"{endpoint.inference_url}/predictions/tiny"
    finally:
        engine.down()


def output(*argv: str) -> str:
    """Run a program and return what it prints to stdout."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def mardock(folder: Path, seconds: float, connections: int) -> tuple[float, float]:
    """Return throughput and ceiling of one `mardock bench`."""
    load = ("--concurrency", str(connections), "--duration", str(seconds), "--warmup", "1")
    program = str(Path(sys.executable).with_name("mardock"))
    report = json.loads(output(program, "-C", str(folder), "bench", "tiny", str(folder / "body"), *load, "--json"))
    run = report["runs"][0]
    return run["throughput"], run["ceiling"]


def wrk(folder: Path, url: str, seconds: float, connections: int) -> float:
    """Return the requests per second of one wrk with one thread."""
    script = folder / "post.lua"
    script.write_text(f'wrk.method = "POST"\nwrk.body = "{BODY}"\n')
    text = output("wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), url)
    assert "Non-2xx" not in text, text
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0])


def locust(folder: Path, url: str, seconds: float) -> float:
    """Return the requests per second of 64 FastHttpUsers, all spawned at once, in one process."""
    script = folder / "locustfile.py"
    script.write_text(LOCUSTFILE.format(body=BODY))
    host = url.partition("/predictions")[0]
    users = ("--users", str(CONNECTIONS), "--spawn-rate", str(CONNECTIONS), "--run-time", f"{seconds + 1:g}")
    argv = (sys.executable, "-m", "locust", "-f", str(script), "--headless", "--json", "--host", host, *users)
    stats = json.loads(output(*argv, "--reset-stats"))[0]
    return float(stats["num_requests"] / (stats["last_request_timestamp"] - stats["start_time"]))


def requests_loop(url: str, seconds: float, threads: int) -> float:
    """Return the requests per second of threads that each call `session.post` in a loop."""
    return float(output(sys.executable, "-c", REQUESTS_LOOP, url, BODY, str(threads), str(seconds)))


def measure(rounds: int) -> list[results.Row]:
    """Return a row for each tool and number of connections."""
    found = throughputs(rounds, SECONDS)
    rows = []
    for connections in (CONNECTIONS, 1):
        ours = results.Side("mardock bench", found[f"mardock bench, {connections}"])
        for peer, goal in GOALS.items():
            if peer == LOCUST and connections == 1:
                continue
            side = results.Side(peer, found.get(f"{peer}, {connections}", ()))
            what = f"load on TorchServe, {connections} connection{'s' * (connections > 1)}"
            bound = peer == REQUESTS and connections == 1  # by the server, which answers one request at a time
            rows.append(results.Row(what, "req/s", ours, side, None if bound else goal, more_is_better=True))
    return rows


def throughputs(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Let the tools take turns; returns what each reached, in requests per second."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="load-generator-") as name:
        folder = Path(name)
        with tuned_torchserve(folder) as (_, url):
            if shutil.which("wrk"):
                wrk(folder, url, 3, CONNECTIONS)  # the JVM compiles what it runs often
            for _ in range(rounds):
                for connections in (CONNECTIONS, 1):
                    if shutil.which("wrk"):
                        found.setdefault(f"{WRK}, {connections}", []).append(wrk(folder, url, seconds, connections))
                    throughput, ceiling = mardock(folder, seconds, connections)
                    found.setdefault(f"mardock bench, {connections}", []).append(throughput)
                    found.setdefault(f"{CEILING}, {connections}", []).append(ceiling)
                if find_spec("locust"):
                    found.setdefault(f"{LOCUST}, {CONNECTIONS}", []).append(locust(folder, url, seconds))
                for threads in (CONNECTIONS, 1):
                    found.setdefault(f"{REQUESTS}, {threads}", []).append(requests_loop(url, seconds, threads))
    return found


if __name__ == "__main__":
    results.main(measure, ROUNDS)
