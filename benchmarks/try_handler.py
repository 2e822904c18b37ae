"""What `mardock try` costs: a cold one against importing torch and TorchServe, a warm one against the handler itself.

    python -m benchmarks.try_handler [--rounds 11]

Run it in a project with one model and a sample. Cold, the whole command takes turns with `python -c "import torch,
ts"`. Warm, torch and TorchServe are imported already, as in a process that tries a model again and again: a trial, from
the fork to its result, against the time its handler spent in loading its module, `initialize` and `handle`, added up.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import results
from mardock.cli import predicting, trial_plan
from mardock.handler import ending, trial
from mardock.handler.child import Child
from mardock.handler.notes import Notes
from mardock.handler.outcome import Trial
from mardock.handler.wire import Request
from mardock.settings.project import Project

ROUNDS = 11
IMPORTS = "python -c 'import torch, ts'"
COLD = {
    IMPORTS: [sys.executable, "-c", "import torch, ts"],
    "mardock try": [sys.executable, "-m", "mardock", "try", "--engine", "native"],
}
OWN = ("load", "initialize", "handle")


def measure(rounds: int) -> list[results.Row]:
    """Return a row for the cold command and one for a warm trial."""
    cold = measure_cold(rounds)
    own, whole = measure_warm(Project(Path.cwd()), rounds)
    return [
        results.Row("cold", "ms", cold["mardock try"], cold[IMPORTS], results.at_most(1.2)),
        results.Row("warm", "ms", whole, own, results.at_most(1.5)),
    ]


def measure_cold(rounds: int) -> dict[str, results.Side]:
    """Return the milliseconds each command took."""
    times: dict[str, list[float]] = {name: [] for name in COLD}
    for round_ in range(rounds + 1):
        for name, command in COLD.items():
            started = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            if round_:  # the first one warms the page cache
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: results.Side(name, values) for name, values in times.items()}


def measure_warm(project: Project, rounds: int) -> tuple[results.Side, results.Side]:
    """Return the milliseconds of the handler's own code and of whole trials."""
    trial.import_torchserve()
    name, settings = project.settings.model()
    sample = predicting.sources(project, name, [])[0]
    requests = {str(sample): Request(predicting.read(sample))}
    spec = trial_plan.plan(project, settings, requests, batch=None, timeout=None, debug=False)
    own: list[float] = []
    whole: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=project.root) as folder:
            started = time.perf_counter()
            notes = Notes(Path(folder))
            with Child(trial.import_torchserve, trial.run) as child:
                found = ending.conclude(spec, notes, child.run(spec, notes))
            whole.append((time.perf_counter() - started) * 1000)
        own.append(own_time(found) * 1000)
    return results.Side("the handler's own code", own), results.Side("a trial", whole)


def own_time(found: Trial) -> float:
    """Return the seconds a handler spent in its own code."""
    runs = [*found.singles, *([found.batch] if found.batch else [])]
    stages = [*found.start, *(stage for run in runs for stage in run.stages)]
    return sum(stage.seconds for stage in stages if stage.name in OWN)


if __name__ == "__main__":
    results.main(measure, ROUNDS)
