"""Whom containers run as: a user without a name in the image, plain docker compose with another one than yours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.docker.test_failures import nothing_is_left
from tests.support.command import environment

import mardock
from mardock.client import probe
from mardock.engines.docker.engine import DockerEngine
from mardock.errors import EngineError
from mardock.settings.project import Project

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject

STRANGER = 1003
NAMED = """
import getpass, os, pathlib, pwd, torch._inductor.codecache as cache
me = pwd.getpwuid(os.getuid())
print(os.getuid(), getpass.getuser(), me.pw_name, me.pw_dir == str(pathlib.Path.home()), cache.cache_dir())
"""
SHELL = "whoami && id && echo ${PS1@P}"
AS_STRANGER = """
import os, runpy, sys
stranger = int(sys.argv.pop(1))
os.setregid(stranger, -1)
os.setreuid(stranger, -1)
runpy.run_module("mardock", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def folder(make_project: MakeProject) -> Iterator[Path]:
    """A project, with a space in its path, of a user whom no image knows."""
    if os.getuid() not in (0, STRANGER):
        pytest.skip(f"only root can act as another user, and this is uid {os.getuid()}")
    folder = Path(tempfile.mkdtemp(prefix="mardock test "))
    project = make_project()
    shutil.copytree(project.root, folder, dirs_exist_ok=True)
    with (folder / ".env").open("a") as file:
        file.write(f"COMPOSE_PROJECT_NAME={project.root.name}\n")
    for name in ("artifacts", "datasets", "logs"):
        (folder / name).mkdir()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, STRANGER, STRANGER)
    yield folder
    engine = DockerEngine(Project(folder))
    engine.down()
    assert nothing_is_left(engine)
    shutil.rmtree(folder)


def as_stranger(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mardock as a user whose real uid is the stranger's; what may be read stays root's, as this Python may be."""
    return subprocess.run(
        [sys.executable, "-c", AS_STRANGER, str(STRANGER), *arguments],
        cwd=folder,
        env=environment({"PYTHONPATH": str(Path(mardock.__file__).parents[1]), "MARDOCK_ENGINE": "docker"}),
        capture_output=True,
        text=True,
        check=False,
    )


def compose(folder: Path, *arguments: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run plain docker compose in a project's folder."""
    env = environment({name: str(value) for name, value in variables.items()})
    return subprocess.run(["docker", "compose", *arguments], cwd=folder, env=env, capture_output=True, text=True)


def test_a_user_the_image_does_not_know_has_a_name(folder: Path) -> None:
    done = as_stranger(folder, "dev", "exec", "--", "python", "-c", NAMED)
    me = [str(STRANGER), "model-server", "model-server", "True", "/tmp/torchinductor_model-server"]
    assert done.stdout.split()[-5:] == me, done
    for arguments in (["stop"], ["start"], ["exec", "--", "true"]):
        assert as_stranger(folder, "dev", *arguments).returncode == 0
    done = as_stranger(folder, "dev", "exec", "--", "bash", "-ic", SHELL)
    who, ids, *_, prompt = done.stdout.strip().splitlines()
    assert who == "model-server"
    assert f"uid={STRANGER}(model-server) gid={STRANGER}(model-server)" in ids
    assert "model-server@" in prompt
    assert "cannot find name" not in done.stdout + done.stderr


def test_a_server_runs_as_whom_no_image_knows(folder: Path) -> None:
    done = as_stranger(folder, "up")
    assert done.returncode == 0, done.stderr
    assert (folder / "logs/ts_log.log").stat().st_uid == STRANGER


@pytest.mark.parametrize("folder", ["logs", "artifacts"])
def test_plain_compose_ends_where_it_cannot_write(make_project: MakeProject, folder: str) -> None:
    engine = DockerEngine(make_project())
    root, uid = engine.project.root, os.getuid() + 1000
    for name in ("logs", "artifacts", "datasets"):
        (root / name).mkdir(mode=0o755)
        (root / name).chmod(0o755 if name == folder else 0o777)
    done = compose(root, "up", "serve", MARDOCK_UID=uid, MARDOCK_GID=uid)
    assert "exited with code 1" in done.stdout + done.stderr
    said = [line for line in (done.stdout + done.stderr).splitlines() if "cannot write it" in line]
    assert len(said) == 1
    assert f"{folder} belongs to uid {os.getuid()} and this container, of uid {uid}, cannot write it" in said[0]
    assert "put MARDOCK_UID and MARDOCK_GID, your id -u and id -g, into .env" in said[0]
    assert f"sudo chown -R {uid}:{uid} {folder}" in said[0]
    assert probe.answers(engine.up(timeout=120), 5)
    engine.down()
    assert nothing_is_left(engine)


def test_plain_compose_ends_where_a_log_is_somebody_else_s(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project())
    root, uid = engine.project.root, os.getuid() + 1000
    for name in ("logs", "artifacts", "datasets"):
        (root / name).mkdir()
        (root / name).chmod(0o777)
    (root / "logs/ts_log.log").touch(0o644)
    done = compose(root, "up", "serve", MARDOCK_UID=uid, MARDOCK_GID=uid)
    assert f"logs/ts_log.log belongs to uid {os.getuid()} and this container, of uid {uid}" in done.stdout + done.stderr
    engine.down()


def test_plain_compose_serves_where_it_can_write(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project())
    root, uid = engine.project.root, os.getuid() or 1000
    for name in ("logs", "artifacts", "datasets"):
        (root / name).mkdir()
        if os.getuid() == 0:
            os.chown(root / name, uid, uid)
    done = compose(root, "up", "--detach", "--wait", "serve", MARDOCK_UID=uid, MARDOCK_GID=uid)
    assert done.returncode == 0, done.stderr
    assert probe.answers(engine.endpoint(), 5)
    assert (root / "logs/ts_log.log").stat().st_uid == uid
    with pytest.raises(EngineError, match="was started by docker compose, with other settings"):
        engine.up(timeout=60)
    engine.down()
    assert nothing_is_left(engine)
