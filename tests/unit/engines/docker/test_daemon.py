"""Finding the engine, and saying what is missing of it."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from pathlib import Path

import pytest

from mardock.engines.docker import daemon
from mardock.errors import EngineNotFoundError


@pytest.fixture
def docker_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, with a `docker` in it whose compose plugin is of version 2.21."""
    folder = tmp_path / "bin"
    folder.mkdir()
    write_docker(folder, "echo Docker Compose version v2.21.0")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def write_docker(folder: Path, script: str) -> None:
    """Make `docker compose version` do what a shell script does."""
    (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "docker").chmod(0o755)


def listen(path: Path, answer: bytes) -> None:
    """Answer one connection to a Unix socket; with nothing, keep it open and silent."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with listener, connection:
            connection.recv(1024)
            connection.sendall(answer) if answer else connection.recv(1)

    threading.Thread(target=serve, daemon=True).start()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the socket DOCKER_HOST names; nothing listens there yet."""
    path = tmp_path / "s"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    return path


def test_without_the_docker_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineNotFoundError, match="docker is not installed") as caught:
        daemon.check()
    assert "MARDOCK_ENGINE=native" in (caught.value.hint or "")


def test_without_a_daemon(docker_command: Path, engine: Path) -> None:
    with pytest.raises(EngineNotFoundError, match=f"no Docker Engine answers at unix://{engine}"):
        daemon.check()
    assert not daemon.engine_answers()


def test_a_daemon_that_is_silent(docker_command: Path, engine: Path) -> None:
    listen(engine, b"")
    with pytest.raises(EngineNotFoundError, match="timed out"):
        daemon.check_daemon(timeout=0.1)


def test_what_is_no_docker_engine(docker_command: Path, engine: Path) -> None:
    listen(engine, b"HTTP/1.0 404 Not Found\r\n\r\n")
    with pytest.raises(EngineNotFoundError, match="not a Docker Engine"):
        daemon.check_daemon()


def test_a_socket_one_may_not_use(docker_command: Path, engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)  # root, who may run this, is never refused
    with pytest.raises(EngineNotFoundError, match="you may not use") as caught:
        daemon.check_daemon()
    assert "docker $USER" in (caught.value.hint or "")
    assert "rootless" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo Docker Compose version v2.21.0", r"Docker Compose 2\.21\.0 is too old, it takes 2\.22"),
        ("echo podman-compose version 1.3.0", r"docker compose is podman-compose 1\.3\.0 here, not Docker Compose"),
        ("echo podman-compose version 3.0.0", r"docker compose is podman-compose 3\.0\.0 here, not Docker Compose"),
        ("exit 1", "docker has no compose plugin"),
    ],
)
def test_compose_too_old_or_missing(docker_command: Path, engine: Path, script: str, message: str) -> None:
    write_docker(docker_command, script)
    listen(engine, b"HTTP/1.0 200 OK\r\n\r\n")
    with pytest.raises(EngineNotFoundError, match=message):
        daemon.check()


@pytest.mark.parametrize("version", ["2.22.0", "v2.40.3", "5.0.1-4"])
def test_compose_new_enough(docker_command: Path, engine: Path, version: str) -> None:
    write_docker(docker_command, f"echo Docker Compose version {version}")
    listen(engine, b"HTTP/1.0 200 OK\r\n\r\n")
    daemon.check()


def test_podman_s_docker_is_told_what_podman_needs(docker_command: Path, engine: Path) -> None:
    write_docker(docker_command, '[ "$1" != compose ] && exec /usr/bin/podman "$@"; exit 125')
    with pytest.raises(EngineNotFoundError, match="no Docker Engine answers") as caught:
        daemon.check()
    assert "systemctl --user start podman.socket" in (caught.value.hint or "")
    listen(engine, b"HTTP/1.0 200 OK\r\n\r\n")
    with pytest.raises(EngineNotFoundError, match="docker has no compose plugin") as caught:
        daemon.check()
    assert "from Podman 4.7 on" in (caught.value.hint or "")


def test_the_engine_is_the_one_the_docker_command_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert daemon.host() == "unix:///var/run/docker.sock"
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "laptop"}))
    meta = tmp_path / "contexts/meta" / hashlib.sha256(b"laptop").hexdigest() / "meta.json"
    with pytest.raises(EngineNotFoundError, match="'laptop'"):
        daemon.host()
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Endpoints": {"docker": {"Host": "unix:///run/user/1/docker.sock"}}}))
    assert daemon.host() == "unix:///run/user/1/docker.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert daemon.host() == "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    assert daemon.host() == "tcp://127.0.0.1:2375"


def test_a_broken_docker_configuration_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EngineNotFoundError, match=r"config\.json cannot be read"):
        daemon.host()
