"""What is checked before the server is started, so that it fails at once and with names."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mardock import own_folders, permissions
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
        at = permissions.obstacle(folder / "file")
        raise ConfigError(
            f"cannot write into {folder}, which belongs to {permissions.user(at.stat().st_uid)}: {error.strerror}",
            hint=permissions.mend(at, error.errno),
        ) from error


def check_logs(folder: Path) -> None:
    """Refuse log files that cannot be written on: TorchServe would go without them, and tell nobody.

    Raises:
        ConfigError: naming one, its owner and the command that mends it.
    """
    with permissions.told(ConfigError):
        for file in folder.glob("*.log"):
            file.open("ab").close()
