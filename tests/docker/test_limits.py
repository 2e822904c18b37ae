"""What containers may take of the machine: shared memory, memory for what is unpacked, disk, log files."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.contract.projects import add_echo
from tests.docker.test_failures import nothing_is_left
from tests.support.waiting import eventually

from mardock import serving
from mardock.client.inference import InferenceClient
from mardock.client.management import ManagementClient
from mardock.engines.docker.engine import DockerEngine
from mardock.errors import ApiError, MardockError, WorkerFailedError
from mardock.serving import LogPosition, Servable, Server
from mardock.settings.project import Project

if TYPE_CHECKING:
    from tests.docker.conftest import MakeProject

MIB = 1 << 20
LOADER = """
import torch

class Large(torch.utils.data.Dataset):
    def __len__(self):
        return 16
    def __getitem__(self, index):
        return torch.full((20, 1 << 20), index, dtype=torch.uint8)  # 20 MiB

loader = torch.utils.data.DataLoader(Large(), batch_size=8, num_workers=2)
print(sum(batch.numel() for batch in loader) >> 20)
"""
SHARED = """
import pathlib
files = [pathlib.Path("/sys/fs/cgroup", name) for name in ("memory.stat", "memory/memory.stat")]
text = next(file for file in files if file.exists()).read_text()
print(dict(line.split() for line in text.splitlines())["shmem"])
"""
WRITER = """
import os

def handle(data, context):
    if data:
        with open("/tmp/made", "wb") as file:
            file.write(bytes(100 << 20))
        return [b"written"] * len(data)
"""
TALKER = """
def handle(data, context):
    if not data:
        return None
    for number in range(int(bytes(data[0]["body"]))):
        print(f"line {number}", "x" * 100)
    raise ValueError("the end")
"""
SMALL_DISK = """
volumes:
  serve-tmp:
    driver_opts: { type: tmpfs, device: tmpfs, o: "size=64m,mode=1777" }
"""


@pytest.fixture(scope="module")
def cramped(make_lasting_project: MakeProject) -> Iterator[DockerEngine]:
    """The engine of a server that has a disk of 64 MiB to unpack archives on."""
    engine = DockerEngine(overridden(make_lasting_project(), SMALL_DISK))
    engine.up(timeout=120)
    yield engine
    engine.down()


def overridden(project: Project, text: str) -> Project:
    """The project with an override file for compose, and a model store."""
    (project.root / "docker-compose.override.yml").write_text(text)
    project.model_store.mkdir()
    return project


def write_archive(store: Path, name: str, mebibytes: int) -> Path:
    """An archive of that many random mebibytes, and a handler that leaves them alone."""
    model = {"modelName": name, "modelVersion": "1.0", "handler": "handler.py", "serializedFile": "weights.bin"}
    with zipfile.ZipFile(store / f"{name}.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": model}))
        archive.writestr(
            "handler.py", "def handle(data, context):\n    return ['fine'] * len(data) if data else None\n"
        )
        with archive.open("weights.bin", "w") as file:
            for _ in range(mebibytes):
                file.write(os.urandom(MIB))
    return store / f"{name}.mar"


def inside(engine: DockerEngine, *argv: str) -> str:
    """What a command prints in the serve container."""
    argv = ("docker", "exec", engine.status().details["container"], *argv)
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def shared_memory(engine: DockerEngine) -> int:
    """How many MiB of the serve container's memory are files without a disk."""
    return int(inside(engine, "python", "-c", SHARED)) // MIB


def volumes(engine: DockerEngine) -> list[str]:
    """The volumes of the project."""
    label = f"label=com.docker.compose.project={engine.project.root.name}"
    argv = ["docker", "volume", "ls", "--quiet", "--filter", label]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()


def test_a_data_loader_s_workers_hand_over_large_batches(
    make_project: MakeProject, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = DockerEngine(make_project())
    assert engine.exec(["python", "-c", LOADER], interactive=False) == 0
    assert capfd.readouterr().out.split()[-1] == "320"
    engine.down()


def test_shared_memory_is_as_large_as_env_says(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project(MARDOCK_SHM_SIZE="123mb"))
    engine.up(timeout=120)
    assert inside(engine, "df", "-B1", "--output=size", "/dev/shm").split()[-1] == str(123 * MIB)
    engine.down()


def test_what_is_unpacked_is_not_in_memory_and_gone_after_down(make_project: MakeProject) -> None:
    engine = DockerEngine(overridden(make_project(), "services: {}\n"))
    endpoint = engine.up(timeout=120)
    servable = Servable(write_archive(engine.project.model_store, "big", 200))
    assert serving.register(Server(endpoint, engine), servable).workers == 1
    assert int(inside(engine, "du", "-sm", "/tmp/models").split()[0]) >= 200
    assert shared_memory(engine) < 20
    assert len(volumes(engine)) == 1
    engine.down()
    assert nothing_is_left(engine)


def test_every_start_finds_an_empty_temp_folder(make_project: MakeProject) -> None:
    engine = DockerEngine(make_project(MARDOCK_TOKEN_AUTH="true"))
    engine.up(timeout=120)
    name = engine.status().details["container"]
    stale = "cd /tmp; mkdir -p models/x .hidden/y; echo 1 >.model_server.pid; touch .ts.sock.9000 stale models/x/z"
    for again in (
        lambda: subprocess.run(["docker", "restart", name], check=True, capture_output=True),
        lambda: (engine.stop("serve"), engine.start("serve")),
        lambda: (subprocess.run(["docker", "kill", name], check=True, capture_output=True), engine.up(timeout=120)),
    ):
        keys = inside(engine, "cat", "/tmp/key_file.json")
        inside(engine, "sh", "-c", stale)
        again()
        with ManagementClient(engine.up(timeout=120)) as management:
            assert management.list_models() == []
        assert not {"stale", "models", ".ts.sock.9000", ".model_server.pid", ".hidden"} & set(
            inside(engine, "ls", "-A", "/tmp").split()
        )
        assert inside(engine, "cat", "/tmp/key_file.json") != keys
    assert len(volumes(engine)) == 1
    assert engine.rm("serve") == name
    assert nothing_is_left(engine)


def test_a_volume_of_the_user_s_own_outlives_down(make_project: MakeProject) -> None:
    text = 'services:\n  serve:\n    volumes: ["kept:/kept"]\nvolumes:\n  kept:\n'
    engine = DockerEngine(overridden(make_project(), text))
    engine.up(timeout=120)
    assert len(volumes(engine)) == 2
    engine.down()
    kept = volumes(engine)
    assert kept == [f"{engine.project.root.name}_kept"]
    subprocess.run(["docker", "volume", "rm", *kept], check=True, capture_output=True)


def test_an_archive_there_is_no_room_for(cramped: DockerEngine) -> None:
    small = Servable(write_archive(cramped.project.model_store, "small", 20))
    large = Servable(write_archive(cramped.project.model_store, "large", 100))
    with pytest.raises(WorkerFailedError, match=r"model large 1\.0 did not start: unpacked it needs 104,85") as caught:
        serving.register(Server(cramped.endpoint(), cramped), large)
    name = cramped.status().details["container"]
    free = int(caught.value.message.split(f"/tmp of the container {name} has ")[1].split()[0].replace(",", ""))
    assert 60 * MIB < free <= 64 * MIB
    assert "mardock down && mardock up" in (caught.value.hint or "")
    cramped.down()
    assert serving.register(Server(cramped.up(timeout=120), cramped), small).workers == 1


def test_a_handler_that_fills_the_disk(cramped: DockerEngine) -> None:
    url = add_echo(cramped.project, "writer", WRITER)
    endpoint = cramped.endpoint()
    with ManagementClient(endpoint) as management:
        management.register(url, model_name="writer", initial_workers=1)
    since = LogPosition.now(cramped)
    with InferenceClient(endpoint) as client, pytest.raises(ApiError) as failed:
        client.predict("writer", b"")
    error = serving.explain(cramped, "writer", since, failed.value)
    assert "No space left on device" in error.message
    assert "/tmp of the container" in (error.hint or "")
    assert " bytes free" in (error.hint or "")


def test_the_console_s_log_is_bounded_and_read_across_its_files(make_project: MakeProject) -> None:
    text = 'services:\n  serve:\n    logging: {options: {max-size: 64k, max-file: "3"}}\n'
    engine = DockerEngine(overridden(make_project(), text))
    endpoint = engine.up(timeout=120)
    with ManagementClient(endpoint) as management:
        management.register(add_echo(engine.project, "talker", TALKER), model_name="talker", initial_workers=1)
    with InferenceClient(endpoint) as client:
        for _ in range(3):
            error: MardockError
            since = LogPosition.now(engine)
            with pytest.raises(ApiError) as failed:
                client.predict("talker", b"500")
            error = serving.explain(engine, "talker", since, failed.value)
            assert "ValueError: the end" in error.message
    lines = list(engine.logs(follow=False, tail=-1))
    assert len("\n".join(lines)) <= 3 * 64 * 1024
    assert sum("line " in line for line in lines) > 400
    engine.down()


@pytest.mark.parametrize("driver", ["local", "json-file"])
def test_another_log_driver_can_be_chosen(make_project: MakeProject, driver: str) -> None:
    text = f"services:\n  serve:\n    logging: {{driver: {driver}}}\n"
    engine = DockerEngine(overridden(make_project(), text))
    engine.up(timeout=120)
    eventually(lambda: any("Model server started" in line for line in engine.logs(follow=False, tail=-1)), list)
    engine.down()
