"""Archives of 500 MB of weights: mardock against cp and torch-model-archiver, and from files to a READY worker.

    python -m benchmarks.archive [--rounds 3]

The writing alone is measured in this process, without any program's start; the commands are timed from their start to
their end. Sides take turns; each writes a new file, but for `over an older archive`. To READY the documented way runs
torch-model-archiver and registers with a `torchserve --start` of its own; mardock's runs `register --unpacked` against
its own server. Both servers are started before.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import results
from benchmarks.cold_start import Project
from mardock.archive.build import build
from mardock.archive.spec import ArchiveSpec

ROUNDS = 3
BIN = Path(sys.executable).parent
TENSORS, FLOATS = 10, 12_500_000  # 500 MB
HANDLER = """
import torch


class Handler:
    def initialize(self, context):
        self.weights = torch.load(context.system_properties["model_dir"] + "/big.pt")

    def handle(self, data, context):
        return [len(self.weights) for _ in data]
"""
SAVE = f"""
import torch
torch.save({{str(i): torch.randn({FLOATS}) for i in range({TENSORS})}}, "big.pt")
"""
TOML = """
[models.big.archive]
handler = "handler.py"
serialized_file = "big.pt"
[models.big.serving]
initial_workers = 1
"""
SPEC = ArchiveSpec("big", "handler.py", serialized_file="big.pt")
WHAT = "archive 500 MB"


def measure(rounds: int) -> list[results.Row]:
    """Return a row for each way to write an archive, and one to have it served."""
    with tempfile.TemporaryDirectory(prefix="mardock-") as folder:
        weights = Weights(Path(folder))
        sides = {
            "cp": weights.cp,
            "write": weights.write,
            "cp over": lambda: weights.cp(anew=False),
            "write over": lambda: weights.write(anew=False),
            "mardock archive": lambda: weights.command(["mardock", "archive", "big"]),
            "zip-store": lambda: weights.command([*weights.archiver, "--archive-format", "zip-store"]),
            "archiver": lambda: weights.command(weights.archiver),
            "documented": weights.documented,
            "unpacked": weights.unpacked,
        }
        times: dict[str, list[float]] = {name: [] for name in sides}
        weights.write()
        weights.cp()  # the first ones also load programs and the page cache
        for _ in range(rounds):
            for name, side in sides.items():
                times[name].append(side())
    return rows(times)


def rows(times: dict[str, list[float]]) -> list[results.Row]:
    """Return what is compared with what."""

    def row(what: str, ours: str, name: str, theirs: str, peer: str, goal: results.Goal, note: str = "") -> results.Row:
        sides = results.Side(name, times[ours]), results.Side(peer, times[theirs])
        return results.Row(what, "s", *sides, goal, note=note)

    archiver, store = "torch-model-archiver", "torch-model-archiver --archive-format zip-store"
    least, most = results.at_least, results.at_most
    start = statistics.median(times["mardock archive"]) - statistics.median(times["write"])
    why = f"{start:.2f} s of it go into Python's start, typer, pydantic and the sources, not into writing"
    return [
        row(f"{WHAT}, the writing alone", "write", "mardock", "cp", "cp", most(2)),
        row(f"{WHAT} over an older archive, the writing alone", "write over", "mardock", "cp over", "cp", most(2)),
        row(f"{WHAT}, the writing alone", "write", "mardock", "archiver", archiver, least(50)),
        row(f"{WHAT}, the writing alone", "write", "mardock", "zip-store", store, least(3)),
        row(f"{WHAT}, whole commands", "mardock archive", "mardock archive", "archiver", archiver, least(50), why),
        row(f"{WHAT}, whole commands", "mardock archive", "mardock archive", "zip-store", store, least(3), why),
        row(
            "500 MB from files to a READY worker",
            *("unpacked", "mardock register --unpacked", "documented", f"{archiver}, POST /models"),
            least(10),
            "mardock's own server has its warm workers, the documented one has not",
        ),
    ]


class Weights:
    """A project with 500 MB of random weights, and what is done with them; every method returns seconds."""

    def __init__(self, root: Path) -> None:
        self.project = Project(root)
        self.root, self.store = root, root / "artifacts"
        (root / "handler.py").write_text(HANDLER)
        (root / "mardock.toml").write_text(TOML)
        subprocess.run([sys.executable, "-c", SAVE], cwd=root, check=True)
        names = ("--model-name", "big", "--version", "1.0", "--handler", "handler.py", "--serialized-file", "big.pt")
        self.archiver = ["torch-model-archiver", *names, "--export-path", "artifacts"]
        self.environment = {**os.environ, "MARDOCK_ENGINE": "native", "TMPDIR": str(root / "tmp")}

    def cp(self, *, anew: bool = True) -> float:
        """Copy the weights."""
        copy = self.root / "copy"
        if anew:
            copy.unlink(missing_ok=True)
        return seconds(lambda: subprocess.run(["cp", "big.pt", copy], cwd=self.root, check=True))

    def write(self, *, anew: bool = True) -> float:
        """Archive them in this process; or replace another one."""
        target = self.store / "big.mar"
        if anew:
            target.unlink(missing_ok=True)
        else:  # else the equal archive would be left alone, which takes a comparison instead of a replacement
            with zipfile.ZipFile(target, "a") as archive:
                archive.writestr("older.txt", "")
        return seconds(lambda: build(SPEC, self.root, self.store))

    def command(self, argv: list[str]) -> float:
        """Run a command that writes the archive."""
        (self.store / "big.mar").unlink(missing_ok=True)
        return self._run(argv)

    def documented(self) -> float:
        """Archive with torch-model-archiver and register with one worker."""
        (self.store / "big.mar").unlink()
        with self.project.documented():
            return self._run(self.archiver) + seconds(self._post)

    def unpacked(self) -> float:
        """Register the files themselves."""
        with self.project.mardock():
            taken = self._run(["mardock", "register", "big", "--unpacked"])
            self._run(["mardock", "models", "unregister", "big"])
        return taken

    def _post(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.project.ports["management"], timeout=120)
        connection.request("POST", "/models?url=big.mar&initial_workers=1&synchronous=true")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"POST /models: {answer.status} {body!r}")

    def _run(self, argv: list[str]) -> float:
        program = [str(BIN / argv[0]), *argv[1:]]
        return seconds(
            lambda: subprocess.run(program, cwd=self.root, env=self.environment, check=True, stdout=subprocess.DEVNULL)
        )


def seconds(job: Callable[[], object]) -> float:
    """Return how long something takes."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


if __name__ == "__main__":
    results.main(measure, ROUNDS)
