"""docker compose's own verdict on the project's files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.docker.conftest import lay_out

GPU = ["-f", "docker-compose.yml", "-f", "docker-compose.gpu.yml"]
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("MARDOCK_", "COMPOSE_", "TORCHSERVE_"))}


@pytest.mark.parametrize("files", [[], GPU])
@pytest.mark.parametrize(
    "env", ["", "MARDOCK_DEV_CONTAINER=mine\nMARDOCK_INFERENCE_PORT=9080\nMARDOCK_SHM_SIZE=1gb\nMARDOCK_UID=1003\n"]
)
def test_they_are_accepted(tmp_path: Path, files: list[str], env: str) -> None:
    folder = tmp_path / "project"
    lay_out(folder)
    if env:
        (folder / ".env").write_text(env)
    argv = ["docker", "compose", *files, "config", "--format", "json"]
    done = subprocess.run(argv, cwd=folder, env=CLEAN, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    services = found["services"]
    assert found["volumes"] == {"serve-tmp": {"name": f"project_serve-tmp-{1003 if env else 1000}"}}
    for service in services.values():
        assert service["shm_size"] == str((1 if env else 4) << 30)
        assert service["restart"] == "no"
        assert service["logging"] == {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}}
    assert services["dev"]["container_name"] == ("mine" if env else "project-dev")
    assert services["serve"]["container_name"] == "project-torchserve"
    assert services["serve"]["ports"][0]["published"] == ("9080" if env else "8080")
    assert services["serve"]["image"].endswith("-gpu" if files else "-cpu")
    assert ("devices" in json.dumps(services["dev"])) is bool(files)
