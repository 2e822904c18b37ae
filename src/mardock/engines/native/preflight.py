"""What is checked before the server is started, so that it fails at once and with names."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from itertools import chain
from pathlib import Path

from mardock import process
from mardock.errors import ConfigError, EngineStartError
from mardock.settings.schema import Machine


def port_fields() -> list[str]:
    """Return the fields of `Machine` that are ports."""
    return [name for name in Machine.__dataclass_fields__ if name.endswith("_port")]


def check_ports(machine: Machine) -> None:
    """Refuse ports that cannot be listened on.

    Raises:
        EngineStartError: naming each with its holder, and the variables to set.
    """
    from mardock.settings.schema import ENVIRONMENT_NAMES

    problems = []
    remedies = []
    taken = {int(getattr(machine, field)) for field in port_fields()}
    for field in port_fields():
        port: int = getattr(machine, field)
        refusal = _refusal(port)
        if refusal is None:
            continue
        free = _next_free(port, taken)
        taken.add(free)
        problems.append(f"port {port} ({ENVIRONMENT_NAMES[field]}) {refusal}")
        remedies.append(f"{ENVIRONMENT_NAMES[field]}={free}")
    if problems:
        raise EngineStartError(
            problems[0], details="\n".join(problems[1:]) or None, hint=f"set in .env: {' '.join(remedies)}"
        )


def check_folder(folder: Path) -> None:
    """Make a folder unless it is there, and refuse one that files cannot be written into.

    Raises:
        ConfigError: naming it, its owner and the command that mends it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except FileExistsError as error:
        raise ConfigError(f"{folder} is not a folder", hint=f"move it away: mv {folder} {folder}.old") from error
    except OSError as error:
        owner = _owner(folder)
        if error.errno != errno.EACCES:
            hint = f"make room, or mount it writable: df {folder}"
        elif owner == _user(os.getuid()):
            hint = f"chmod -R u+rwX {folder}"
        else:
            hint = f"sudo chown -R {os.getuid()}:{os.getgid()} {folder}"
        raise ConfigError(
            f"cannot write into {folder}, which belongs to {owner}: {error.strerror}", hint=hint
        ) from error


def _refusal(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                holder = process.port_holder(port)
                return f"is in use by {holder}" if holder else "is in use"
            return f"cannot be used: {error.strerror}"
    return None


def _next_free(port: int, taken: set[int]) -> int:
    start = max(port, 1024)
    for free in chain(range(start + 1, 65536), range(1024, start)):
        if free not in taken and _refusal(free) is None:
            return free
    raise EngineStartError("no port of this machine is free", hint="end what holds them: ss -ltnp")


def _owner(path: Path) -> str:
    while not path.exists():
        path = path.parent
    return _user(path.stat().st_uid)


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
