"""What is checked before the server is started, so that it fails at once and with names."""

from __future__ import annotations

import errno
import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mardock import own_folders
from mardock.engines import ports
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.settings.schema import Machine


def check_ports(machine: Machine) -> None:
    """Refuse ports that cannot be listened on; see `ports.refuse_taken`."""
    from mardock.settings.schema import ENVIRONMENT_NAMES

    ports.refuse_taken(
        {variable: getattr(machine, field) for field, variable in ENVIRONMENT_NAMES.items() if field.endswith("_port")}
    )


def check_folder(folder: Path) -> None:
    """Make a folder unless it is there, and refuse one that files cannot be written into.

    Raises:
        ConfigError: naming it, its owner and the command that mends it.
    """
    try:
        own_folders.make(folder)
        with tempfile.TemporaryFile(dir=folder):
            return
    except FileExistsError as error:
        raise ConfigError(
            f"{folder} is not a folder", hint=f"move it away: {shlex.join(['mv', str(folder), f'{folder}.old'])}"
        ) from error
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
