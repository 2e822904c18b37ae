"""What each form of a network gains over eager: a ResNet-18 by hand, and torchvision's ResNet-152.

    python -m benchmarks.compile_models [--rounds 5]

`mardock compile` makes, verifies and times them, as anybody's command does. The weights are random, which changes no
time. What does not answer as eager does is left out; bf16 is named as what it is, other numerics. The large network is
put into TorchScript alone: a C++ compiler needs minutes for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.vision import vision_environment

from benchmarks import results
from benchmarks.throughput_project import BLOCK, MODEL

ROUNDS = 5
FROZEN = "freeze,channels_last,bf16_channels_last"
NETWORKS = {
    "ResNet-18, 224 x 224": ("model:ResNet18", "1x3x224x224", f"trace,{FROZEN},compile,aoti"),
    "ResNet-152, 64 x 64": ("torchvision.models:resnet152", "1x3x64x64", FROZEN),
}


def measure(rounds: int) -> list[results.Row]:
    """Return a row for each form of each network that answers as eager does, or as nearly as its numbers allow."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"mardock.toml": "", "block.py": BLOCK, "model.py": MODEL}.items():
            Path(folder, name).write_text(text)
        return [
            row
            for network, (module, shape, candidates) in NETWORKS.items()
            for row in rows(network, report(folder, module, shape, candidates, rounds))
        ]


def report(folder: str, module: str, shape: str, candidates: str, rounds: int) -> dict[str, Any]:
    """Compile one network in `folder` and return the report."""
    argv = [sys.executable, "-m", "mardock", "-C", folder, "compile", "--engine", "native", "--json"]
    argv += ["--module", module, "--input-shape", shape, "--only", candidates, "--rounds", str(rounds)]
    done = subprocess.run(argv, env={**os.environ, **vision_environment()}, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(network: str, found: dict[str, Any]) -> list[results.Row]:
    """Return one row per form that was timed."""
    eager, *others = (candidate for candidate in found["candidates"] if candidate["rounds_s"])
    return [results.Row(f"one call of {network}", "ms", side(other), side(eager), note=note(other)) for other in others]


def side(candidate: dict[str, Any]) -> results.Side:
    """Return the milliseconds of one call, round by round."""
    return results.Side(candidate["name"], [seconds * 1000 for seconds in candidate["rounds_s"]])


def note(candidate: dict[str, Any]) -> str:
    """Say what the reader has to know of a form: how far it is from eager, and whether its gain is one."""
    relative = candidate["relative_difference"]
    far = f"differs by up to {relative:.2g} of the largest output" if relative else "the same numbers"
    noise = "" if candidate["beyond_noise"] else "; no gain beyond the noise"
    return f"{candidate['status']}, {far}{noise}"


if __name__ == "__main__":
    results.main(measure, ROUNDS)
