"""What each form of a ResNet-18 by hand gains over eager, and of torchvision's ResNet-152 in a small image.

    python -m benchmarks.compile_models [--rounds 5]

The table of `mardock compile` is printed to stderr for each network. The weights are random: they change no time. Only
forms that answer as eager does are compared; bf16 is among them as what it is, other numerics.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks import results
from mardock.cli import compile_report
from mardock.compile import sample
from mardock.compile.report import EAGER, CompileReport
from mardock.compile.session import Plan, chosen, compile_model

ROUNDS = 5
OPERATORS = Path(__file__).parents[1] / "tests" / "support" / "torchvision_ops"
CANDIDATES = ("script", "trace", "freeze", "compile", "aoti", "channels_last", "bf16_channels_last")
NETWORKS = {"ResNet-18 by hand": "1x3x224x224", "ResNet-152": "1x3x64x64"}


class Block(nn.Module):
    """Two convolutions and the way around them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        same = stride == 1 and before == after
        self.around: nn.Module = nn.Identity()
        if not same:
            self.around = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Take [N, before, H, W], give [N, after, H / stride, W / stride]."""
        return torch.relu(self.convolutions(images) + self.around(images))


def resnet18() -> nn.Module:
    """Return the 18 layers of He et al. 2015, 11.7 million weights."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    before = 64
    for after, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(before, after, stride), Block(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)).eval()


def resnet152() -> nn.Module:
    """Return torchvision's, also where its compiled operators fit another torch than the one installed."""
    sys.path.insert(0, str(OPERATORS))
    import sitecustomize  # noqa: F401 - declares those operators
    from torchvision.models import resnet152 as build

    torch.manual_seed(0)
    network: nn.Module = build(weights=None).eval()
    return network


def measure(rounds: int) -> list[results.Row]:
    """Return a row for each form of each network that answers as eager does, or was told to use other numbers."""
    makers = dict(zip(NETWORKS, (resnet18, resnet152)))
    return [row for name, shape in NETWORKS.items() for row in rows(compiled(name, makers[name], shape, rounds))]


def compiled(name: str, make, shape: str, rounds: int) -> CompileReport:
    """Compile one network and print its table."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(chosen(CANDIDATES), rounds=rounds)
        report = compile_model(name, make, partial(sample.of_shapes, [shape], []), plan, Path(folder), print_progress)
    with redirect_stdout(sys.stderr):
        compile_report.show(report, as_json=False)
    return report


def print_progress(line: str) -> None:
    """Say what is being done."""
    print(line, file=sys.stderr, flush=True)


def rows(report: CompileReport) -> list[results.Row]:
    """Return one row per form that was timed; those that were not are in its note."""
    eager = results.Side(EAGER, _ms(report, EAGER))
    found = []
    for candidate in report.candidates:
        if candidate.name != EAGER and candidate.status not in ("not here", "failed", "diverges"):
            note = f"{candidate.status}, largest difference {candidate.max_difference:.2g}"
            note += "" if candidate.beyond_noise else "; no gain beyond the noise"
            side = results.Side(candidate.name, _ms(report, candidate.name))
            found.append(results.Row(f"one call of {report.model}", "ms", side, eager, note=note))
    return found


def _ms(report: CompileReport, name: str) -> list[float]:
    return [seconds * 1000 for seconds in report.candidate(name).rounds_s]


if __name__ == "__main__":
    results.main(measure, ROUNDS)
