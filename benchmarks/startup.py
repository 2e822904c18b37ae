"""How long mardock's cheap commands take, against bare Python's start.

    python -m benchmarks.startup [--rounds 21]

Commands take turns, so that a slow spell of the machine meets all of them. `status` is measured in a project whose
server is down, and again in the current folder's project where a server runs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import results

ROUNDS = 21
BASE = "python -c pass"
MARDOCK = [str(Path(sys.executable).with_name("mardock"))]
GOALS = {
    "mardock --version": 6,
    "mardock status --json, down": 12,
    "mardock status --json, up": 12,
    "mardock --help": 13,
}


def measure(rounds: int) -> list[results.Row]:
    """Return a row for each command."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mardock.toml").touch()
        commands = {
            BASE: [sys.executable, "-c", "pass"],
            "mardock --version": [*MARDOCK, "--version"],
            "mardock status --json, down": [*MARDOCK, "-C", folder, "status", "--json"],
            "mardock --help": [*MARDOCK, "--help"],
        }
        here = [*MARDOCK, "status", "--json"]
        if subprocess.run(here, capture_output=True, check=False).returncode == 0:
            commands["mardock status --json, up"] = here
        times: dict[str, list[float]] = {name: [] for name in commands}
        for round_ in range(rounds + 1):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, capture_output=True, check=False)
                if round_:  # the first one warms the page cache
                    times[name].append((time.perf_counter() - start) * 1000)
    bare = results.Side(BASE, times[BASE])
    return [
        results.Row("start to end", "ms", results.Side(name, times[name]), bare, results.at_most(goal))
        for name, goal in GOALS.items()
        if name in times
    ]


if __name__ == "__main__":
    results.main(measure, ROUNDS)
