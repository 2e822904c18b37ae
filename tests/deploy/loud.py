"""Commands with every logger open, whose whole output is searched for secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

LOUD = "import logging; logging.basicConfig(level=logging.DEBUG); from mardock.__main__ import main; main()"
_PATIENCE_S = 240


def mardock(root: Path, *arguments: str, secrets: Collection[str], code: int = 0) -> str:
    """Run a command in a folder; returns what it printed to stdout, or with another `code` than 0 all it printed."""
    done = subprocess.run(
        _argv(arguments), cwd=root, env=_environ(), capture_output=True, errors="replace", timeout=_PATIENCE_S
    )
    told = done.stdout + done.stderr
    assert done.returncode == code, told
    assert [secret for secret in secrets if secret in told] == []
    return done.stdout if code == 0 else told


def interrupted(root: Path, *arguments: str, when: Callable[[str], bool], secrets: Collection[str]) -> str:
    """Send a command SIGINT as soon as `when` holds of what it has printed; returns all it printed until it ended."""
    output = root.parent / "interrupted.log"
    with output.open("wb") as file:
        child = subprocess.Popen(_argv(arguments), cwd=root, env=_environ(), stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not when(output.read_text(encoding="utf-8", errors="replace")):
            assert child.poll() is None, output.read_text(encoding="utf-8", errors="replace")
            assert time.monotonic() < deadline, "it did not come to what it was to be interrupted in"
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        code = child.wait(_PATIENCE_S)
    finally:
        child.kill()
        child.wait()
    told = output.read_text(encoding="utf-8", errors="replace")
    assert code == 130, told
    assert [secret for secret in secrets if secret in told] == []
    return told


def _argv(arguments: Collection[str]) -> list[str]:
    return [sys.executable, "-c", LOUD, *arguments]


def _environ() -> dict[str, str]:
    # The SDK sets this one in the process of the tests.
    return {name: value for name, value in os.environ.items() if name != "AZUREML_CURRENT_CLOUD"}
