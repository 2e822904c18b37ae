"""The project's folders that containers see, and whose they have to be."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

from mardock.errors import EngineError
from mardock.settings.project import Project

MOUNTED = ("src", "torchserve", "datasets")
STRANGER = 1000  # whom containers run as when mardock itself runs as root; the images' own user


def user() -> tuple[int, int]:
    """Return uid and gid that containers run as: the caller's, but never root's."""
    return os.getuid() or STRANGER, os.getgid() or STRANGER


def prepare(project: Project) -> None:
    """Make the mounted folders that are missing, and see to it that containers can write what they have to.

    A folder that is missing when a container starts would be made by the engine, owned by root.

    Raises:
        EngineError: one is no folder, or artifacts/ or logs/ cannot be written by the containers' user.
    """
    for folder in (*(project.root / name for name in MOUNTED), project.model_store, project.logs):
        try:
            folder.mkdir(exist_ok=True)
        except FileExistsError as error:
            raise EngineError(
                f"{folder} is not a folder", hint=f"move it away: mv {quote(str(folder))} {quote(f'{folder}.old')}"
            ) from error
        except OSError as error:
            raise EngineError(
                f"cannot make {folder}: {error.strerror}", hint=f"ls -ld {quote(str(folder.parent))}"
            ) from error
    for folder in (project.model_store, project.logs):
        if os.getuid() == 0:
            _hand_over(folder)
        elif not _writable(folder):
            raise EngineError(
                f"{folder.name}/ or a file in it is not yours to write (it belongs to uid {_foreign_owner(folder)})",
                hint=f"sudo chown -R $(id -u):$(id -g) {quote(str(folder))}",
            )


def _writable(folder: Path) -> bool:
    # A log file of another user cannot be appended to, and TorchServe then starts without its logs.
    return os.access(folder, os.W_OK | os.X_OK) and all(os.access(entry, os.W_OK) for entry in folder.glob("*.log"))


def _foreign_owner(folder: Path) -> int:
    owners = [entry.lstat().st_uid for entry in (folder, *folder.glob("*.log"))]
    return next((owner for owner in owners if owner != os.getuid()), owners[0])


def _hand_over(folder: Path) -> None:
    """Give what root owns in a folder to the containers' user; links are not followed out of it."""
    if folder.is_symlink():
        return
    for parent, _, names in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in names)):  # noqa: PTH118
            if os.lstat(path).st_uid == 0:
                os.chown(path, *user(), follow_symlinks=False)
