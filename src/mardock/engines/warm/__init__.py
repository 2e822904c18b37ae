"""The warm parent of a project: starts it, asks it, stops it, and writes the stub TorchServe takes for its Python.

`ensure` is all an engine needs: its result goes to TorchServe as `--python`. Nothing here raises because the parent is
missing; a stub that finds none runs plain Python.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mardock.engines.warm.stub import PROTOCOL

PRELOAD = ("torch", "ts.model_service_worker", "ts.torch_handler.base_handler", "ts.torch_handler.image_classifier")
SOCKET_PATH_BYTES = 100  # sun_path holds 104 bytes on macOS, 108 on Linux
SHEBANG_BYTES = 127  # Linux before 5.1 cuts the line there
UNQUOTABLE = '"$`\\\n'
HERE = Path(__file__).parent


@dataclass(frozen=True)
class WarmStatus:
    """A running parent.

    Attributes:
        pid: its process id.
        workers: how many of its workers are alive.
    """

    pid: int
    workers: int


def ensure(
    state_dir: Path,
    python: str,
    *,
    env: Optional[Mapping[str, str]] = None,
    preload: Sequence[str] = PRELOAD,
    owner: int = 0,
) -> Path:
    """Have a warm parent for this project and interpreter, and return what TorchServe is to start workers with.

    Returns at once; the parent imports torch in the background, and workers asked for meanwhile wait for it.

    Args:
        state_dir: the project's private folder.
        python: absolute path of the interpreter that has torch and ts.
        env: the environment TorchServe will be started with; this process's own when None.
        preload: the modules to import.
        owner: pid of a process the parent has to stay for; 0 when it is to await its first use a limited time only.

    Returns:
        The stub, or `python` itself where there can be no warm parent: on other systems than Linux and macOS, on a file
        system that executes nothing, without ts, without a safe place for the socket, with a quote in its own path.
    """
    if sys.platform not in ("linux", "darwin") or set(python) & set(UNQUOTABLE):
        return Path(python)
    environment = dict(os.environ if env is None else env)
    home = state_dir / "warm" / _key(python, environment, preload)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    address = socket_path(home)
    if address is None:
        return Path(python)
    stub = write_stub(home / "python", python, address)
    if not os.access(stub, os.X_OK):
        return Path(python)
    argv = [python, str(HERE), "--socket", address, f"--owner={owner}", *(f"--preload={module}" for module in preload)]
    running = _holder(address + ".lock") is not None or _launch(argv, environment, home / "log")
    return stub if running else Path(python)


def status(state_dir: Path, *, timeout: float = 0.5) -> Optional[WarmStatus]:
    """Return what the project's parent says of itself; None when there is none or it is still importing."""
    for address in _addresses(state_dir):
        with contextlib.suppress(OSError, ValueError), _ask(address, b"status", timeout) as connection:
            return WarmStatus(**json.loads(connection.recv(4096)))
    return None


def share(state_dir: Path, threads: Mapping[str, int], *, timeout: float = 0.5) -> None:
    """Tell the project's parent what threads the coming workers of models compute with, unless these ask for others.

    A parent that is still importing takes it once it is done, before any worker that is asked for later.

    Args:
        threads: by the name a model is served under.
    """
    for address in _addresses(state_dir):
        said = b"share\0" + json.dumps(dict(threads)).encode()
        with contextlib.suppress(OSError), _ask(address, said, timeout) as connection:
            connection.recv(4096)


def stop(state_dir: Path, *, timeout: float = 5.0) -> None:
    """End the project's parents; call it once TorchServe has ended.

    A parent that still has workers takes no more requests and ends with the last of them. One that does not answer
    within `timeout` seconds is killed.
    """
    for address in _addresses(state_dir):
        try:
            with _ask(address, b"stop", timeout) as connection:
                answered = connection.recv(4096)
                if json.loads(answered)["workers"] == 0:
                    connection.recv(1)  # its end
        except (OSError, ValueError):
            holder = _holder(address + ".lock")
            if holder is not None:
                with contextlib.suppress(PermissionError):  # another user's ends by itself
                    os.kill(holder, signal.SIGKILL)


def sweep(state_dir: Path) -> None:
    """Delete the folders of parents that are gone; call it once TorchServe has ended, which runs their stubs.

    A folder without a lock is one whose parent is yet to start.
    """
    for home in (state_dir / "warm").glob("*"):
        address = socket_path(home)
        lock = Path(f"{address}.lock")
        if address is None or not os.path.exists(lock) or _holder(str(lock)) is not None:
            continue
        shutil.rmtree(home, ignore_errors=True)
        for file in (Path(address), lock):  # of a path too long they lie elsewhere
            file.unlink(missing_ok=True)


def write_stub(path: Path, python: str, address: str) -> Path:
    """Write an executable that stands in for `python` and reaches the parent at `address`; return its path."""
    shebang = f"#!{python} -IS\n"
    if " " in python or len(os.fsencode(shebang)) > SHEBANG_BYTES:
        # No kernel takes this as an interpreter. The shell runs the second line, Python reads a string there.
        shebang = f"#!/bin/sh\n'''exec' \"{python}\" -IS \"$0\" \"$@\"\n' '''\n"
    source = (HERE / "stub.py").read_text(encoding="utf-8").split('"""', 2)[2]  # a second docstring is a syntax error
    text = f"{shebang}{source}\n\nmain({python!r}, {address!r})\n"
    with contextlib.suppress(FileNotFoundError):
        if path.read_text(encoding="utf-8") == text:
            return path
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o700)
    draft.replace(path)
    return path


def socket_path(home: Path) -> Optional[str]:
    """Return where the parent of `home` listens: there, or in a private short folder when the path is too long."""
    if len(os.fsencode(home / "socket")) <= SOCKET_PATH_BYTES:
        return str(home / "socket")
    name = f"{_digest(os.fsencode(home.resolve()))}.sock"
    for base in (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp"):  # noqa: S108
        folder = Path(base or "/tmp", f"mardock-{os.getuid()}")  # noqa: S108
        if len(os.fsencode(folder / name)) <= SOCKET_PATH_BYTES and _private(folder):
            return str(folder / name)
    return None


def _private(folder: Path) -> bool:
    """Create the folder unless it is there, and say whether it is ours alone."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _key(python: str, environment: Mapping[str, str], preload: Sequence[str]) -> str:
    from mardock.engines.warm.installation import read_once

    fixed = read_once({os.fsencode(name): os.fsencode(value) for name, value in environment.items()})
    sources = [file.read_bytes() for file in sorted(HERE.glob("*.py"))]
    return _digest(repr((python, sorted(fixed.items()), tuple(preload))).encode(), *sources)


def _digest(*parts: bytes) -> str:
    import hashlib

    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _launch(argv: list[str], environment: Mapping[str, str], log: Path) -> bool:
    """Run a command that makes itself a daemon and say whether it could; it exits once it listens."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        pid = os.posix_spawn(argv[0], argv, environment, file_actions=actions)
    except OSError:
        return False
    return os.waitpid(pid, 0)[1] == 0


def _addresses(state_dir: Path) -> Iterator[str]:
    for home in sorted((state_dir / "warm").glob("*")):
        address = socket_path(home)
        if address is not None and os.path.exists(address):  # Path's own raises where another user's folder is private
            yield address


def _ask(address: str, verb: bytes, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(address)
        body = PROTOCOL + b"\0" + verb
        connection.sendall(b"%10d" % len(body) + body)
    except OSError:
        connection.close()
        raise
    return connection


def _holder(lock: str) -> Optional[int]:
    """Return the pid of the parent that holds the lock; the pid in an unheld file is one from the past.

    Another user's is none of ours.
    """
    with contextlib.suppress(FileNotFoundError, PermissionError, ValueError), Path(lock).open(encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read())
    return None
