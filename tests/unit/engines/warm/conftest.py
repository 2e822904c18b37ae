"""A warm parent that preloads almost nothing and runs a script of the test's own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from mardock.engines import warm
from mardock.engines.warm.stub import PROTOCOL

SCRIPT = "import json, os, random, signal, sys, time\nexec(sys.argv[1])\n"


class Family:
    """A parent, its stub, and the script that runs what its first argument says."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.address = warm.socket_path(home) or ""
        self.script = home / "ts" / "model_service_worker.py"
        self.script.parent.mkdir()
        self.script.write_text(SCRIPT)
        self.stub = warm.write_stub(home / "python", sys.executable, self.address)
        self.env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def start(self, *options: str) -> None:
        argv = [sys.executable, str(warm.HERE), "--socket", self.address, "--script", str(self.script)]
        subprocess.run([*argv, "--preload=json", *options], check=True, env=self.env, stdin=subprocess.DEVNULL)

    def pid(self) -> int:
        return int(Path(self.address + ".lock").read_text())

    def settle(self) -> None:
        """Return once the parent has dealt with all that happened before."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.address)
            body = PROTOCOL + b"\0status"
            connection.sendall(b"%10d" % len(body) + body)
            while connection.recv(4096):
                pass

    def popen(self, code: str, python: Optional[str] = None, **options: Any) -> subprocess.Popen[str]:
        argv = [python or str(self.stub), str(self.script), code]
        options = {"env": self.env, "stdout": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(argv, **options)

    def run(self, code: str, **options: Any) -> tuple[int, str]:
        with self.popen(code, **options) as process:
            output, _ = process.communicate(timeout=60)
        return process.returncode, output


@pytest.fixture
def cold(tmp_path: Path, socket_enabled: None) -> Family:
    """A stub without a parent."""
    return Family(tmp_path)


@pytest.fixture
def family(cold: Family) -> Iterator[Family]:
    """A stub and its parent."""
    cold.start()
    pid = cold.pid()
    yield cold
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
