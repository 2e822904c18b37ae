"""Run the project's comparisons one after another, each in its own process, and write RESULTS.md.

    python -m benchmarks [--only archive,startup] [--rounds 3]

RESULTS.json beside it holds every value that was measured; what `--only` leaves out is taken over from there.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from benchmarks import machine, results

FOLDER = Path(__file__).parent
BENCHMARKS = (
    "startup",
    "cold_start",
    "warm_parent",
    "try_handler",
    "inner_loop",
    "archive",
    "compile_models",
    "throughput",
    "load_generator",
    "bench_memory",
)
"""Every comparison, in the order of RESULTS.md; each is a module of this folder."""

INTRODUCTION = """# Results

What `make bench` measured last. Every figure is a median over rounds in which the sides took turns, with the smallest
and the largest value behind it; a ratio is the median of the rounds' ratios. What a table says of itself below it is
written by the program too: where a peer wins, a goal is missed, or a peer could not be run.
"""


@dataclass(frozen=True)
class Run:
    """One benchmark's run.

    Attributes:
        environment: machine and versions.
        started: ISO 8601, to the minute.
        load: how many processes wanted a core in the minute before it, on average.
        failure: what it said when it failed; there are no rows then.
    """

    environment: dict[str, str]
    started: str
    load: str
    seconds: float
    rows: list[results.Row]
    failure: Optional[str] = None

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Run:
        """Return what `asdict` took apart."""
        return cls(**{**plain, "rows": [results.Row.from_dict(row) for row in plain["rows"]]})


def main() -> int:
    """Run what is asked for; returns 1 when a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(BENCHMARKS), metavar="NAMES", help="separated by commas")
    parser.add_argument("--rounds", type=int, help="the same for all; each has its own number otherwise")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # ends what it started, as Ctrl-C does
    names = options.only.split(",")
    # Installed programs start from bytecode; where this is set, mardock alone would be compiled at every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    unknown = sorted({*names} - {*BENCHMARKS})
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    kept = FOLDER / "RESULTS.json"
    runs = {name: Run.from_dict(run) for name, run in (json.loads(kept.read_text()) if kept.exists() else {}).items()}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        runs[name] = run(name, options.rounds)
        print(runs[name].failure or results.markdown(runs[name].rows), file=sys.stderr, flush=True)
        kept.write_text(json.dumps({name: asdict(each) for name, each in runs.items()}, indent=1) + "\n")
        (FOLDER / "RESULTS.md").write_text(page(runs, newest=name))
    return int(any(runs[name].failure for name in names))


def run(name: str, rounds: Optional[int]) -> Run:
    """Run one benchmark in a process of its own."""
    environment, load, started = machine.environment(), machine.load(), datetime.now().astimezone()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.json")
        argv = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(file)]
        argv += [] if rounds is None else ["--rounds", str(rounds)]
        with subprocess.Popen(argv, cwd=FOLDER.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
            try:
                _, told = running.communicate()
            except KeyboardInterrupt:  # which it was told, too
                running.wait()
                raise
            except BaseException:
                running.terminate()  # killed, as subprocess.run has it, it would leave what it started behind
                running.wait()
                raise
        rows = [results.Row.from_dict(row) for row in json.loads(file.read_text())] if file.exists() else []
    said = told.decode(errors="replace").strip().splitlines() or [f"exit code {running.returncode}"]
    return Run(
        environment,
        started.isoformat(timespec="minutes"),
        load,
        round(time.monotonic() - begin),
        rows,
        failure=said[-1] if running.returncode else None,
    )


def page(runs: dict[str, Run], newest: str) -> str:
    """Return RESULTS.md; a run whose environment was another than the newest one's says what was different."""
    environment = runs[newest].environment
    facts = [f"- {name}: {value}" for name, value in environment.items()]
    parts = [INTRODUCTION, "\n".join(facts) + "\n"]
    parts += [section(name, runs[name], environment) for name in BENCHMARKS if name in runs]
    return "\n".join(parts)


def section(name: str, run: Run, environment: dict[str, str]) -> str:
    """Return one benchmark's part of the page."""
    when = f"`python -m benchmarks.{name}`, {run.started}, {run.seconds:.0f} s; load before: {run.load}"
    other = [f"{key} {value}" for key, value in run.environment.items() if environment.get(key) != value]
    different = f"; with {', '.join(other)}" if other else ""
    found = f"It failed: {run.failure}\n" if run.failure else results.markdown(run.rows)
    return f"## {title(name)}\n\n{when}{different}\n\n{found}"


def title(name: str) -> str:
    """Return the first line of a benchmark's docstring, without importing what it needs."""
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or name
    return docstring.splitlines()[0].rstrip(".")


if __name__ == "__main__":
    sys.exit(main())
