"""Running a project's commands on this machine, in the Python environment that has torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mardock import process


def run(argv: Sequence[str], root: Path, python: Path) -> int:
    """Run a command in the project's folder and return its exit code; `python` is that interpreter."""
    program = str(python) if argv[0] == "python" else argv[0]
    search = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    return process.attach([program, *argv[1:]], cwd=root, env={**os.environ, "PATH": search})
