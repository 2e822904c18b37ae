"""Whether the memory of `mardock bench` stays flat, however long it runs.

    python -m benchmarks.bench_memory [--seconds 600|60]

The command loads a server that does nothing but answer, over 16 connections, which is as many requests as it can make.
What counts is its resident set size at the end above that after the first tenth of the time, when every part of it has
run; `make bench` takes a minute, which shows a leak per request but not a slow one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import results
from mardock.benchmark.null_server import null_server

ROUNDS = 1
BODY = b"x" * 100 + b"end"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MOMENTS = (1 / 10, 1 / 2, 1)  # parts of the time, at 10 minutes: 1, 5 and 10


class Answers:
    """Answers a request whoever made it, as soon as its body's last bytes came."""

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return what to send."""
        return ANSWER if data.endswith(BODY[-3:]) else b""


def measure(rounds: int, seconds: str = "600") -> list[results.Row]:
    """Return one row: by how many MB (10^6 bytes) the command grew."""
    grown, notes = [], []
    for _ in range(rounds):
        sizes = resident(float(seconds))
        grown.append(sizes[1.0] - sizes[MOMENTS[0]])
        notes.append(", ".join(f"{part * float(seconds):.0f} s: {size:.1f} MB" for part, size in sizes.items()))
    ours = results.Side(f"mardock bench for {seconds} s", grown)
    note = f"resident after {'; '.join(notes)}"
    return [results.Row("memory gained after a tenth of the time", "MB", ours, goal=results.at_most(1), note=note)]


def resident(seconds: float) -> dict[float, float]:
    """Return the MB that one run takes at the start and at each of MOMENTS."""
    with tempfile.TemporaryDirectory() as name, null_server(Answers) as (host, port):
        folder = Path(name)
        (folder / "mardock.toml").touch()
        (folder / "body").write_bytes(BODY)
        argv = [str(Path(sys.executable).with_name("mardock")), "-C", name, "bench", "m", str(folder / "body")]
        argv += ["--url", f"http://{host}:{port}", "--concurrency", "16", "--warmup", "0", "--duration", f"{seconds}"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as bench:
            assert bench.stderr is not None
            for line in bench.stderr:
                if f"then {seconds:g} s" in line:
                    break
            begin = time.monotonic()
            process = psutil.Process(bench.pid)
            sizes = {0.0: process.memory_info().rss / 1e6}
            for part in MOMENTS:
                last = 0.5 if part == 1 else 0.0  # still while it runs
                time.sleep(max(begin + part * seconds - last - time.monotonic(), 0))
                sizes[float(part)] = process.memory_info().rss / 1e6
            if bench.wait(60):
                raise RuntimeError(bench.stderr.read())
    return sizes


if __name__ == "__main__":
    results.main(measure, ROUNDS, seconds=("600", "60"))
