"""The README's commands in containers, from the environment `make` makes for them: it has no torch and no numpy."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional
from uuid import uuid4

import pytest
from tests.contract.dap import DebugClient
from tests.docker.conftest import dev_image
from tests.support.ports import free_ports
from tests.support.waiting import eventually

from mardock.engines.docker.containers import PORT_VARIABLES
from mardock.engines.docker.engine import DockerEngine
from mardock.settings.project import Project
from mardock.settings.template import write_project

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SHORTER = {
    "try": "",
    "logs": "",
    "compile": "--only script,trace --rounds 3",
    "archive": "",
    "bench": "--duration 1 --rounds 1",
    "register": "--replace --drain 0",
    "diff": "",
}
"""What is added to a command of the README, to be quick. Of those that are not here, tune refuses a busy machine."""


def walkthrough() -> list[str]:
    """Return the lines of the README's block that is marked as the container walkthrough."""
    block = re.search(r"<!-- walkthrough: docker -->\n```bash\n(.*?)```", README, re.DOTALL)
    assert block, "README.md has no container walkthrough"
    return block[1].splitlines()


def commands(section: str) -> list[str]:
    """Return the commands of the first block of one of the README's sections."""
    block = re.search(rf"## {section}\n\n.*?```\n(.*?)```", README, re.DOTALL)
    assert block, f"README.md has no section {section}"
    return [line.partition("#")[0].strip() for line in block[1].splitlines()]


@dataclass(frozen=True)
class Walked:
    """A project in which the walkthrough was walked: its containers run, and serve the model."""

    folder: Path
    environment: Mapping[str, str]
    done: subprocess.CompletedProcess[str]

    def run(self, command: str, *, cwd: Optional[Path] = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            shlex.split(command),
            cwd=cwd or self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    @contextmanager
    def running(self, command: str, output: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command until the block ends, or until Ctrl-C."""
        with output.open("wb") as file:
            child = subprocess.Popen(
                shlex.split(command), cwd=self.folder, env=self.environment, stdout=file, stderr=subprocess.STDOUT
            )
            try:
                yield child
            finally:
                child.send_signal(signal.SIGINT)
                child.wait(60)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, torchserve_image: str, host_venv: Path) -> Iterator[Walked]:
    folder = tmp_path_factory.mktemp("walkthrough") / f"mardock-test- {uuid4().hex[:8]}"
    write_project(folder)
    (folder / ".venv").symlink_to(host_venv)
    (host_venv / ".base").touch()  # newer than what `make` compares it with
    ports = dict(zip(PORT_VARIABLES.values(), free_ports(len(PORT_VARIABLES))))
    variables = {"TORCHSERVE_IMAGE": torchserve_image, "MARDOCK_DEV_IMAGE": dev_image(torchserve_image), **ports}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    shorter = (folder / "mardock.toml").read_text().replace('train.py"]', 'train.py", "--epochs", "2"]')
    patient = shorter.replace(
        '["python", ', '["env", "OMP_WAIT_POLICY=PASSIVE", "python", '
    )  # as tests/conftest.py says
    (folder / "mardock.toml").write_text(patient)
    environment = {**os.environ, "PATH": f"{host_venv / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environment["MARDOCK_ENGINE"] = "docker"
    script = "\n".join(["set -e", *walkthrough()])
    script = script.replace("localhost:8080", f"localhost:{ports['MARDOCK_INFERENCE_PORT']}")
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        yield Walked(folder, environment, done)
    finally:
        DockerEngine(Project(folder)).down()


def test_the_container_walkthrough_ends_in_the_digit(walked: Walked) -> None:
    assert walked.done.returncode == 0, walked.done.stdout + walked.done.stderr
    digit = re.search(r"_(\d)\.png", walkthrough()[-1])
    assert digit
    assert walked.done.stdout.splitlines()[-1] == digit[1], walked.done.stdout + walked.done.stderr
    assert (walked.folder / "artifacts" / "mnist.mar").stat().st_uid != 0, "the archive was written by root"


@pytest.mark.parametrize(
    "command",
    [line for line in [*commands("The inner loop"), *commands("Make it fast")] if line.split()[1] in SHORTER],
)
def test_what_the_readme_shows_works(walked: Walked, command: str) -> None:
    done = walked.run(f"{command} {SHORTER[command.split()[1]]}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["predict mnist SAMPLE --grpc", "inspect artifacts/mnist.mar --sbom"])
def test_what_the_readme_tells_works(walked: Walked, command: str) -> None:
    done = walked.run(f"mardock {command.replace('SAMPLE', walkthrough()[-1].split()[-1])}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_are_named_as_from_here(walked: Walked, tmp_path: Path) -> None:
    sample = walked.folder / walkthrough()[-1].split()[-1]
    for given, cwd in ((str(sample), walked.folder), (sample.name, sample.parent)):
        done = walked.run(f"mardock try mnist {shlex.quote(given)}", cwd=cwd)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "inference" in done.stderr, "the stages were not shown"
    stranger = tmp_path / "stranger.png"
    stranger.write_bytes(sample.read_bytes())
    done = walked.run(f"mardock try mnist {stranger}")
    assert done.returncode == 2
    assert f"{stranger} lies outside of the project" in done.stderr


def test_expected_answers_are_kept_and_compared(walked: Walked) -> None:
    for option in ("--save-golden", "--check-golden"):
        done = walked.run(f"mardock try mnist {option}")
        assert done.returncode == 0, done.stdout + done.stderr
    assert (walked.folder / "torchserve" / "mnist" / "golden.json").is_file()


def test_an_import_that_fails_is_told_by_the_worker(walked: Walked) -> None:
    handler = walked.folder / "torchserve" / "mnist" / "handler.py"
    before = handler.read_text()
    handler.write_text(before.replace("import numpy as np", "import numpy as np\nimport nothing_of_that_name"))
    try:
        done = walked.run("mardock register mnist --unpacked --replace --drain 0")
    finally:
        handler.write_text(before)
    assert done.returncode == 5, done.stdout + done.stderr
    assert "mnist 1.0 keeps serving as it was" in done.stderr
    assert "No module named 'nothing_of_that_name' (torchserve/mnist/handler.py:" in done.stderr
    assert "numpy" not in done.stderr


@pytest.mark.parametrize("option", ["", " --instant"])
def test_a_save_is_served(walked: Walked, option: str, tmp_path: Path) -> None:
    handler = walked.folder / "torchserve" / "mnist" / "handler.py"
    output = tmp_path / "output"
    with walked.running(f"mardock watch mnist{option}", output):
        eventually(lambda: b"watching handler.py" in output.read_bytes(), output.read_text)
        handler.write_text(handler.read_text() + "# saved\n")
        eventually(lambda: b"serves with handler.py" in output.read_bytes(), output.read_text)


def test_a_breakpoint_stops_the_served_handler(walked: Walked, tmp_path: Path) -> None:
    handler = walked.folder / "torchserve" / "mnist" / "handler.py"
    (port,) = free_ports(1)
    output = tmp_path / "output"
    line = next(at for at, text in enumerate(handler.read_text().splitlines(), 1) if "digits = logits" in text)
    sample = walkthrough()[-1].split()[-1]
    with ThreadPoolExecutor() as pool, walked.running(f"mardock debug mnist --port {port} --vscode", output):
        eventually(lambda: b"under the debugger" in output.read_bytes(), output.read_text)
        listed = json.loads((walked.folder / ".vscode" / "launch.json").read_text())["configurations"]
        mapping = {**listed[0]["pathMappings"][0], "localRoot": str(walked.folder)}
        with DebugClient(int(port)) as editor:
            editor.attach({**listed[0], "pathMappings": [mapping]}, {handler: [line]})
            answer = pool.submit(walked.run, f"mardock predict mnist {sample}")
            thread = editor.stopped()
            assert editor.frame(thread)["source"]["path"] == str(handler)
            editor.resume(thread)
            assert answer.result(60).returncode == 0
