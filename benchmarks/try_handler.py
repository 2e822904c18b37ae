"""What `mardock try` costs: a cold one against importing torch and TorchServe, a warm one against the handler itself.

    .venv/bin/python benchmarks/try_handler.py [ROUNDS]

Run it in a project with one model and a sample. Prints medians, the spread (10th to 90th percentile) and the ratios.
Cold, the whole command takes turns with `python -c "import torch, ts"`. Warm, torch and TorchServe are imported
already, as in a process that tries a model again and again: a trial, from the fork to its result, against the time its
handler spent in loading its module, `initialize` and `handle`, added up.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mardock.cli import predicting, trial_plan
from mardock.handler import ending, trial
from mardock.handler.child import Child
from mardock.handler.notes import Notes
from mardock.handler.outcome import Trial
from mardock.handler.wire import Request
from mardock.settings.project import Project

COLD = {
    "python -c 'import torch, ts'": [sys.executable, "-c", "import torch, ts"],
    "mardock try": [sys.executable, "-m", "mardock", "try", "--engine", "native"],
}
OWN = ("load", "initialize", "handle")


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    cold = measure_cold(rounds)
    show("cold", cold, goal=1.2)
    show("warm", measure_warm(Project(Path.cwd()), rounds), goal=1.5)


def measure_cold(rounds: int) -> dict[str, list[float]]:
    """Return the seconds each command took."""
    times: dict[str, list[float]] = {name: [] for name in COLD}
    for round_ in range(rounds + 1):
        for name, command in COLD.items():
            started = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            if round_:  # the first one warms the page cache
                times[name].append(time.perf_counter() - started)
    return times


def measure_warm(project: Project, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of the handler's own code and of whole trials."""
    trial.import_torchserve()
    name, settings = project.settings.model()
    sample = predicting.sources(project, name, [])[0]
    requests = {str(sample): Request(predicting.read(sample))}
    spec = trial_plan.plan(project, settings, requests, batch=None, timeout=None, debug=False)
    times: dict[str, list[float]] = {"the handler's own code": [], "a trial": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=project.root) as folder:
            started = time.perf_counter()
            notes = Notes(Path(folder))
            with Child(trial.import_torchserve, trial.run) as child:
                found = ending.conclude(spec, notes, child.run(spec, notes))
            times["a trial"].append(time.perf_counter() - started)
        times["the handler's own code"].append(own_time(found))
    return times


def own_time(found: Trial) -> float:
    """Return the seconds a handler spent in its own code."""
    runs = [*found.singles, *([found.batch] if found.batch else [])]
    stages = [*found.start, *(stage for run in runs for stage in run.stages)]
    return sum(stage.seconds for stage in stages if stage.name in OWN)


def show(title: str, times: dict[str, list[float]], goal: float) -> None:
    """Print a table; the first row is what the others are compared with."""
    base = statistics.median(next(iter(times.values())))
    print(f"{title:30} {'median ms':>9} {'p10-p90':>13} {'ratio':>6} {'goal':>5}")
    for name, values in times.items():
        deciles = statistics.quantiles([value * 1000 for value in values], n=10)
        median = statistics.median(values)
        print(f"{name:30} {median * 1000:9.0f} {deciles[0]:6.0f}-{deciles[-1]:<6.0f} {median / base:6.2f} {goal:5.1f}")


if __name__ == "__main__":
    main()
