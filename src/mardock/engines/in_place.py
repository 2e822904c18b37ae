"""Running a project's commands in this very Python environment, where torch is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mardock import process


def run(argv: Sequence[str], root: Path) -> int:
    """Run a command in the project's folder and return its exit code; `python` is this interpreter."""
    program = sys.executable if argv[0] == "python" else argv[0]
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return process.attach([program, *argv[1:]], cwd=root, env={**os.environ, "PATH": search})
