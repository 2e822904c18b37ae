"""The README's container walkthrough, run as the script it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docker.conftest import dev_image, free_ports

from mardock.engines.docker.containers import PORT_VARIABLES
from mardock.engines.docker.engine import DockerEngine
from mardock.settings.project import Project
from mardock.settings.template import write_project

README = Path(__file__).parents[2] / "README.md"


def walkthrough() -> list[str]:
    """Return the lines of the README's block that is marked as the container walkthrough."""
    block = re.search(r"<!-- walkthrough: docker -->\n```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block, "README.md has no container walkthrough"
    return block[1].splitlines()


def test_the_container_walkthrough_ends_in_the_digit(tmp_path: Path, torchserve_image: str) -> None:
    folder = tmp_path / "walkthrough"
    write_project(folder)
    ports = dict(zip(PORT_VARIABLES.values(), free_ports(len(PORT_VARIABLES))))
    variables = {"TORCHSERVE_IMAGE": torchserve_image, "MARDOCK_DEV_IMAGE": dev_image(torchserve_image), **ports}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    shorter = (folder / "mardock.toml").read_text().replace('train.py"]', 'train.py", "--epochs", "2"]')
    (folder / "mardock.toml").write_text(shorter)

    # The environment is this one: `make` would otherwise install mardock into a .venv of its own.
    mardock = Path(sys.executable).with_name("mardock")
    script = "\n".join(["set -e", f'make() {{ command make MARDOCK={mardock} "$@"; }}', *walkthrough()])
    script = script.replace("localhost:8080", f"localhost:{ports['MARDOCK_INFERENCE_PORT']}")
    sample = walkthrough()[-1].split()[-1]
    try:
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=280, check=False
        )
        tried = subprocess.run(
            [mardock, "try", "mnist", sample],
            cwd=folder,
            env={**os.environ, "MARDOCK_ENGINE": "docker"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        DockerEngine(Project(folder)).down()
    assert done.returncode == 0, done.stdout + done.stderr
    digit = re.search(r"_(\d)\.png", walkthrough()[-1])
    assert digit
    assert done.stdout.splitlines()[-1] == digit[1], done.stdout + done.stderr
    assert (folder / "artifacts" / "mnist.mar").stat().st_uid != 0, "the archive was written by root"
    assert tried.stdout.strip() == digit[1], tried.stdout + tried.stderr
    assert "inference" in tried.stderr, "the stages were not shown"
