"""What `mardock try` costs: a cold one against importing torch and TorchServe, a warm one against the handler itself.

    python -m benchmarks.try_handler [--rounds 11]

The model is the example's, with random weights. Cold, the whole command takes turns with `python -c "import torch,
ts"`. Warm, torch and TorchServe are imported already, as in a process that tries a model again and again: a trial, from
the fork to its result, against the time its handler spent in loading its module, `initialize` and `handle`, added up.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import results
from mardock.handler import trial
from mardock.handler.child import Child
from mardock.handler.outcome import Trial
from mardock.handler.trial_folder import TrialFolder
from mardock.payload import Payload
from mardock.settings.project import Project
from mardock.tasks import samples, trial_plan

REPOSITORY = Path(__file__).parents[1]
ROUNDS = 11
IMPORTS = "python -c 'import torch, ts'"
COLD = {
    IMPORTS: [sys.executable, "-c", "import torch, ts"],
    "mardock try": [sys.executable, "-m", "mardock", "try", "--engine", "native"],
}
EMPTY = "{:.0f} ms of it are the fork and the end of a process that has torch in its memory, whatever it does"
OWN = ("load", "initialize", "handle")
COPIED = ("mardock.toml", "src/character_recognizer", "torchserve/mnist", "datasets/MNIST/sample_images")
WEIGHTS = """
import torch
from character_recognizer.mnist import MnistNet
torch.manual_seed(0)
torch.save(MnistNet().state_dict(), "artifacts/mnist_cnn.pt")
"""


def measure(rounds: int) -> list[results.Row]:
    """Return a row for the cold command and one for a warm trial."""
    with tempfile.TemporaryDirectory(prefix="try-") as folder:
        root = Path(folder)
        lay_out(root)
        cold = measure_cold(root, rounds)
        own, whole, empty = measure_warm(Project(root), rounds)
    return [
        results.Row("cold", "ms", cold["mardock try"], cold[IMPORTS], results.at_most(1.2)),
        results.Row("warm", "ms", whole, own, results.at_most(1.5), note=EMPTY.format(statistics.median(empty))),
    ]


def lay_out(root: Path) -> None:
    """Copy the example model, and write weights for it."""
    for name in COPIED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copyfile
        copy(REPOSITORY / name, root / name)
    (root / "artifacts").mkdir()
    subprocess.run([sys.executable, "-c", WEIGHTS], cwd=root, env={**os.environ, "PYTHONPATH": "src"}, check=True)


def measure_cold(root: Path, rounds: int) -> dict[str, results.Side]:
    """Return the milliseconds each command took."""
    times: dict[str, list[float]] = {name: [] for name in COLD}
    for round_ in range(rounds + 1):
        for name, command in COLD.items():
            started = time.perf_counter()
            subprocess.run(command, cwd=root, capture_output=True, check=True)
            if round_:  # the first one warms the page cache
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: results.Side(name, values) for name, values in times.items()}


def measure_warm(project: Project, rounds: int) -> tuple[results.Side, results.Side, list[float]]:
    """Return the milliseconds of the handler's own code, of whole trials, and of a process that does nothing."""
    trial.import_torchserve()
    name, settings = project.settings.model()
    sample = samples.to_send(project, name, [])[0]
    requests = {str(sample): Payload(samples.read(sample))}
    spec = trial_plan.plan(project, settings, requests, batch=None, timeout=None, debug=False)
    own: list[float] = []
    whole: list[float] = []
    empty: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=project.root) as folder:
            started = time.perf_counter()
            trial_folder = TrialFolder(Path(folder))
            with Child(trial.import_torchserve, trial.run) as child:
                found = trial_folder.conclude(spec, child.run(spec, trial_folder))
            whole.append((time.perf_counter() - started) * 1000)
        own.append(own_time(found) * 1000)
        started = time.perf_counter()
        with Child(nothing, nothing) as child:
            child.run()
        empty.append((time.perf_counter() - started) * 1000)
    return results.Side("the handler's own code", own), results.Side("a trial", whole), empty


def nothing() -> None:
    """Do nothing."""


def own_time(found: Trial) -> float:
    """Return the seconds a handler spent in its own code."""
    runs = [*found.singles, *([found.batch] if found.batch else [])]
    stages = [*found.start, *(stage for run in runs for stage in run.stages)]
    return sum(stage.seconds for stage in stages if stage.name in OWN)


if __name__ == "__main__":
    results.main(measure, ROUNDS)
