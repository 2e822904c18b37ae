"""Projects for contract tests, and a model whose answers say which worker gave them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.support.ports import free_ports

from mardock.settings.project import Project

REPOSITORY = Path(__file__).parents[2]
PORTS = ("INFERENCE_PORT", "MANAGEMENT_PORT", "METRICS_PORT", "GRPC_INFERENCE_PORT", "GRPC_MANAGEMENT_PORT")
ECHO = """
import os
import time


class Handler:
    def initialize(self, context):
        print("echo is initialised", flush=True)

    def handle(self, data, context):
        body = bytes(data[0]["body"])
        if body.startswith(b"sleep "):
            time.sleep(float(body[6:]))
        return [b"%d " % os.getpid() + body]
"""


def make_project(root: Path, **machine: Any) -> Project:
    """Write a project without models: free ports of its own, and this repository's way to run TorchServe.

    Args:
        machine: fields of `Machine`, as flags would give them.
    """
    for name in ("torchserve/config.properties", "torchserve/log4j2.xml", "docker-compose.yml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    for name in ("artifacts", "logs", "src", "datasets"):
        (root / name).mkdir()
    (root / "mardock.toml").touch()
    variables: dict[str, object] = dict(zip(PORTS, free_ports(len(PORTS))))
    variables["ENGINE"] = machine.get("engine", "native")  # commands run in the project see it too
    (root / ".env").write_text(
        "".join(f"MARDOCK_{name}={value}\n" for name, value in variables.items()), encoding="ascii"
    )
    return Project(root, **machine)


def add_echo(project: Project, name: str = "echo", handler: str = ECHO) -> str:
    """Put an unarchived model into the project's store and return its url; it answers its pid and the body it got."""
    folder = project.model_store / name
    (folder / "MAR-INF").mkdir(parents=True)
    (folder / "handler.py").write_text(handler, encoding="utf-8")
    manifest = {
        "createdOn": "01/01/2026 00:00:00",
        "runtime": "python",
        "model": {"modelName": name, "handler": "handler.py", "modelVersion": "1.0"},
        "archiverVersion": "0.12.0",
    }
    (folder / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest), encoding="utf-8")
    return name
