"""The `mardock` command as users meet it: a process of its own, without a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Optional

TIMEOUT_S = 240.0
MARDOCK = (sys.executable, "-m", "mardock")


class Ended(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed to stdout, parsed."""
        return json.loads(self.out)


def mardock(root: Path, *arguments: object, env: Optional[Mapping[str, str]] = None) -> Ended:
    """Run one command in a folder.

    Args:
        env: variables on top of this process's own.
    """
    done = subprocess.run(
        [*MARDOCK, *map(str, arguments)],
        cwd=root,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def succeed(root: Path, *arguments: object, env: Optional[Mapping[str, str]] = None) -> Ended:
    """Run one command that has to end with 0."""
    done = mardock(root, *arguments, env=env)
    assert done.code == 0, f"mardock {' '.join(map(str, arguments))}\n{done.out}{done.err}"
    return done


def environment(extra: Optional[Mapping[str, str]] = None) -> dict[str, str]:
    """Return this process's variables without what would set a project's machine, and `extra` on top."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("MARDOCK_")}, **(extra or {})}
