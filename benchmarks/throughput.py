"""What tuning gains: `torchserve --start`, `mardock up`, one worker at its best, `mardock tune`, and torch alone.

    python -m benchmarks.throughput [--rounds 5]

Two models: a ResNet-18 written by hand (random weights, 224 x 224 images, 16 requests at once), and a handler that does
nothing (64 at once). The same client loads all sides in turn, 3 s each. `torchserve --start` runs as documented: a
worker per core with torch's own number of threads, and a log line for each request. torch alone is a process per core
with one thread and the allocator's settings of mardock's workers, at the best of three batch sizes. A full grid of
all the tuner may look at is measured too, each point once for 2 s. The ResNet-18 is tuned three times: where several
settings do equally well, chance has a say, and what counts is the median of the three in each turn. `tune --variants`
may choose what `mardock compile` verified to answer the same, and is compared with torch alone running that.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Callable, Optional

from benchmarks import results
from benchmarks.throughput_project import RESNET, TINY, TorchAlone, documented, lay_out, run
from mardock.archive.spec import ArchiveSpec
from mardock.benchmark.load import LoadGenerator
from mardock.benchmark.measurement import Measurement
from mardock.benchmark.target import prediction_target
from mardock.endpoint import Endpoint
from mardock.engines.native import NativeEngine
from mardock.engines.threads import usable_cores
from mardock.listener import Silent
from mardock.settings.project import Project
from mardock.tasks import compiled
from mardock.tuning.measurer import Load, Measurer
from mardock.tuning.setting import Setting, Space
from mardock.tuning.throughput import rate_of
from mardock.tuning.tuner import TunePlan, Tuner

ROUNDS = 5
SEARCHES = 3
SECONDS, GRID_S = 3.0, 2.0
FILLING = 0.25  # of a run, not counted; as the tuner has it
BATCHES = (4, 8, 16)
FORMS = "freeze,channels_last"
COMPILE = ("--input-shape", "1x3x224x224", "--only", FORMS, "--rounds", "3", "--save", "all")
UP, DOCUMENTED, GRID, SINGLE = "mardock up", "torchserve --start", "best of the full grid", "best single worker"
TUNED, COMPILED = "mardock tune", "mardock tune --variants"
STARTED = time.monotonic()


@dataclass(frozen=True)
class Workload:
    """One model, what is sent to it, and the seconds `mardock tune` is given."""

    model: str
    what: str
    load: Load
    unit: str
    budget: float


WORKLOADS = (
    Workload(RESNET, "ResNet-18", Load((bytes(range(256)) * 588,), 16), "images/s", 30),
    Workload(TINY, "a handler that does nothing", Load((b"x" * 100,), 64), "req/s", 60),
)


def measure(rounds: int) -> list[results.Row]:
    """Return the rows of both models."""
    with tempfile.TemporaryDirectory(prefix="throughput-") as name, ExitStack() as stack:
        root = Path(name)
        lay_out(root)
        run(root, "mardock", "compile", RESNET, *COMPILE)
        peer = stack.enter_context(documented(root))
        project = Project(root)
        engine = NativeEngine(project)
        stack.callback(engine.down)
        run(root, "mardock", "up")
        resnet, tiny = (Contest(workload, project, engine, peer) for workload in WORKLOADS)
        return [*resnet_rows(resnet, root, rounds), *tiny_rows(tiny, rounds)]


@dataclass(frozen=True)
class Contest:
    """One model on both servers."""

    workload: Workload
    project: Project
    engine: NativeEngine
    peer: Endpoint

    def measurer(self) -> Measurer:
        """Return where settings of this model are measured."""
        settings = self.project.settings.models[self.workload.model]
        specs: dict[Optional[str], ArchiveSpec] = {None: settings.archive}
        specs.update(self.variants())
        return Measurer(self.engine, self.project, settings, self.workload.load, specs)

    def variants(self) -> dict[str, ArchiveSpec]:
        """Return the compiled forms that were verified."""
        forms = FORMS.split(",") if self.workload.model == RESNET else ()
        return {form: compiled.spec_of(self.project, self.workload.model, form) for form in forms}

    def tune(self, variants: Optional[dict[str, ArchiveSpec]] = None) -> tuple[Setting, float]:
        """Return the setting `mardock tune` ends with, and the seconds it took."""
        plan = TunePlan(self.workload.load, None, self.workload.budget, variants or {})
        settings = self.project.settings.models[self.workload.model]
        tuner = Tuner(self.engine, self.project, settings, plan, listener=Said())
        tuner.run()
        report = tuner.report
        assert report is not None
        for trial in report.trials:
            say(f"  {trial.setting}: {trial.unfit or trial.throughput}, {trial.windows} windows")
        say(f"tuned in {report.seconds:.0f} s: {report.winner}, {report.reason}")
        return report.winner or report.present, report.seconds

    def full_grid(self) -> tuple[dict[Setting, float], float]:
        """Measure every setting once; returns their throughput and the seconds it took."""
        start = time.monotonic()
        grid = Space(usable_cores(), self.workload.load.concurrency).grid()
        with self.measurer() as measurer:
            found = {setting: measurer.measure(setting, GRID_S).throughput for setting in grid}
        say(f"{len(grid)} points: {max(found, key=lambda setting: found[setting])}")
        return found, time.monotonic() - start

    def rounds(
        self, count: int, settings: dict[str, Setting], others: dict[str, Callable[[], float]]
    ) -> dict[str, list[float]]:
        """Let all sides take turns; `settings` are those of mardock's server."""
        values: dict[str, list[float]] = {}
        with self.measurer() as measurer:
            measurer.keep([measurer.present, *settings.values()])
            sides: dict[str, Callable[[], float]] = {
                DOCUMENTED: lambda: throughput(self.peer, self.workload),
                UP: partial(throughput_of, measurer, measurer.present),
                **{name: partial(throughput_of, measurer, setting) for name, setting in settings.items()},
                **others,
            }
            sides[DOCUMENTED]()  # mardock's candidates are warmed up when they are measured first
            for _ in range(count):
                for name, side in sides.items():
                    values.setdefault(name, []).append(side())
                    say(f"{self.workload.what}: {name}: {values[name][-1]:.1f} {self.workload.unit}")
        return values

    def row(self, values: dict[str, list[float]], ours: str, peer: str, goal: Optional[float] = None) -> results.Row:
        """Compare two sides."""
        mine, other = (results.Side(name, values[name]) for name in (ours, peer))
        aim = None if goal is None else results.at_least(goal)
        return results.Row(self.workload.what, self.workload.unit, mine, other, aim, more_is_better=True)


def resnet_rows(contest: Contest, root: Path, rounds: int) -> list[results.Row]:
    """Measure the ResNet-18."""
    searches = {f"{TUNED}, search {number}": contest.tune() for number in range(1, SEARCHES + 1)}
    chosen = {name: setting for name, (setting, _) in searches.items()}
    fastest, _ = contest.tune(contest.variants())
    found, grid_s = contest.full_grid()
    best = max(found, key=lambda setting: found[setting])
    single = max((s for s in found if s.workers == 1), key=lambda setting: found[setting])
    settings = {**chosen, COMPILED: fastest, GRID: best, SINGLE: single}
    form = compiled.spec_of(contest.project, RESNET, fastest.variant) if fastest.variant else None
    with (
        TorchAlone(root, Path("weights.pt")) as eager,
        TorchAlone(root, Path(form.serialized_file if form and form.serialized_file else "weights.pt")) as as_compiled,
    ):
        batches = [max(BATCHES, key=lambda batch: alone(batch, SECONDS)) for alone in (eager, as_compiled)]
        alone = f"torch alone, batch {batches[0]}"
        alone_compiled = f"torch alone, {fastest.variant or 'eager'}, batch {batches[1]}"
        others = {
            alone: lambda: eager(batches[0], SECONDS),
            alone_compiled: lambda: as_compiled(batches[1], SECONDS),
        }
        values = contest.rounds(rounds, settings, others)
    values[TUNED] = [statistics.median(turn) for turn in zip(*(values[name] for name in chosen))]
    goals = {DOCUMENTED: 2.5, UP: 1.0, SINGLE: 1.0, alone: 0.9, GRID: 0.95}
    rows = [contest.row(values, TUNED, peer, goal) for peer, goal in goals.items()]
    rows[2] = replace(rows[2], note=f"the best single worker was {single}")
    found_by_tune = "; ".join(map(str, chosen.values()))
    cost = results.Row(
        "find a setting for ResNet-18",
        "s",
        results.Side(TUNED, [seconds for _, seconds in searches.values()]),
        results.Side(f"full grid of {len(found)}", [grid_s]),
        results.at_least(5),
        note=f"tune (--budget {contest.workload.budget:g}) chose {found_by_tune}; the grid {best}",
    )
    with_forms = [contest.row(values, COMPILED, DOCUMENTED, 2.5), contest.row(values, COMPILED, alone_compiled, 0.9)]
    with_forms[0] = replace(with_forms[0], note=f"it chose {fastest}")
    ours, theirs = (statistics.median(values[name]) for name in (COMPILED, alone_compiled))
    served = usable_cores() * (1 / ours - 1 / theirs) * 1000
    why = f"sending, receiving and answering an image takes {served:.1f} ms of a core, whatever the network takes"
    with_forms[1] = replace(with_forms[1], note=why)
    return [contest.row(values, UP, DOCUMENTED), *rows, cost, *with_forms]


def tiny_rows(contest: Contest, rounds: int) -> list[results.Row]:
    """Measure the handler that does nothing."""
    tuned, _ = contest.tune()
    values = contest.rounds(rounds, {TUNED: tuned}, {})
    last = contest.row(values, TUNED, DOCUMENTED, 4.0)
    up = replace(contest.row(values, UP, DOCUMENTED), note="up starts one worker, the documented way one per core")
    return [up, replace(last, note=f"tune chose {tuned}")]


def throughput_of(measurer: Measurer, setting: Setting) -> float:
    """Return the answers per second of a setting on mardock's server."""
    return measurer.measure(setting, SECONDS).throughput


def throughput(endpoint: Endpoint, workload: Workload) -> float:
    """Return the answers per second of the server that was started as documented."""
    target = prediction_target(endpoint, workload.model, workload.load.bodies)
    measurement = Measurement()
    with LoadGenerator(target, workload.load.concurrency, timeout=120) as generator:
        generator.run(measurement, seconds=SECONDS / (1 - FILLING))
    assert not measurement.errors, measurement.examples
    return rate_of(measurement.windows, skipped=FILLING)


class Said(Silent):
    """Passes on how far a job is."""

    def note(self, text: str) -> None:
        """Tell it."""
        say(text)


def say(line: str) -> None:
    """Tell how far it is."""
    print(f"{time.monotonic() - STARTED:5.0f} s {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    results.main(measure, ROUNDS)
