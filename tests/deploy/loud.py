"""A command with every logger open, whose whole output is searched for secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

LOUD = "import logging; logging.basicConfig(level=logging.DEBUG); from mardock.__main__ import main; main()"


def mardock(root: Path, *arguments: str, secrets: Collection[str], code: int = 0) -> str:
    """Run a command in a folder; returns what it printed to stdout, or with another `code` than 0 all it printed."""
    argv = [sys.executable, "-c", LOUD, *arguments]
    environ = {**os.environ}
    environ.pop("AZUREML_CURRENT_CLOUD", None)  # the SDK sets it in the process of the tests
    done = subprocess.run(argv, cwd=root, env=environ, capture_output=True, text=True, errors="replace", timeout=240)
    told = done.stdout + done.stderr
    assert done.returncode == code, told
    assert [secret for secret in secrets if secret in told] == []
    return done.stdout if code == 0 else told
