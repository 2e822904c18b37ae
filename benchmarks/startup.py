"""How long mardock's cheap commands take, against `python -c pass` in the same run.

    .venv/bin/python benchmarks/startup.py [ROUNDS]

Prints medians in milliseconds, the spread (10th to 90th percentile) and the ratio of medians. Commands take turns, so
that a slow spell of the machine meets all of them. `status` is measured in a project whose server is down, and again in
the current folder's project where a server runs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MARDOCK = [str(Path(sys.executable).with_name("mardock"))]
GOALS = {
    "mardock --version": 6,
    "mardock status --json, down": 12,
    "mardock status --json, up": 12,
    "mardock --help": 13,
}


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mardock.toml").touch()
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
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
    base = statistics.median(times["python -c pass"])
    print(f"{'command':30} {'median ms':>9} {'p10-p90':>13} {'ratio':>6} {'goal':>5}")
    for name, values in times.items():
        deciles = statistics.quantiles(values, n=10)
        median = statistics.median(values)
        goal = f"{GOALS[name]}x" if name in GOALS else ""
        print(f"{name:30} {median:9.0f} {deciles[0]:6.0f}-{deciles[-1]:<6.0f} {median / base:6.1f} {goal:>5}")


if __name__ == "__main__":
    main()
