"""Lets tests in this folder ask its model as TorchServe would, without a server: `mardock try`."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

import pytest

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parents[1]
MARDOCK = [sys.executable, "-m", "mardock"] if importlib.util.find_spec("mardock") else ["mardock"]

Ask = Callable[..., list[tuple[int, Any]]]


@pytest.fixture
def ask() -> Ask:
    """Send bodies to the handler, each alone and then all in one batch; return the status and the answer to each.

    That the answers are the same alone and in a batch is asserted on the way.
    """

    def send(*bodies: bytes) -> list[tuple[int, Any]]:
        with tempfile.TemporaryDirectory(
            prefix=".asked-", dir=FOLDER
        ) as folder:  # in the project: a container sees that
            files = [Path(folder) / f"{number}" for number in range(len(bodies))]
            for file, body in zip(files, bodies):
                file.write_bytes(body)
            command = [*MARDOCK, "try", FOLDER.name, *(f"--data={file}" for file in files), "--json"]
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        tried = json.loads(done.stdout)
        assert tried["warnings"] == []
        return [(reply["status"], reply["answer"]) for reply in tried["batch"]["replies"][: len(bodies)]]

    return send
