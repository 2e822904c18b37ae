"""The project's folders that containers see, and whose they have to be."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mardock import own_folders
from mardock.errors import EngineError
from mardock.settings.project import Project

MOUNTED = ("src", "torchserve", "datasets")
STRANGER = 1000  # whom containers run as where caller and project are root's; the images' own user


class User(NamedTuple):
    """Whom a container runs as."""

    uid: int
    gid: int

    def may_write(self, path: Path) -> bool:
        """Say whether a file can be written, or files be made in a folder."""
        if self.uid == os.getuid():
            return os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0))
        found = path.stat()
        triad = found.st_mode >> (6 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 0) & 0o7
        return triad & 0o3 == 0o3 if path.is_dir() else bool(triad & 0o2)


def user(root: Path) -> User:
    """Return whom a project's containers run as: the caller, or the owner of its folder where root calls; never root.

    Where the project is root's too it is the images' own user, to whom root gives what containers have to write.
    """
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        owner = root.stat()
        uid, gid = owner.st_uid, owner.st_gid
    return User(uid or STRANGER, gid or STRANGER)


def prepare(project: Project, *, packaged: bool = False) -> None:
    """Make the mounted folders that are missing, and see to it that containers can write what they have to.

    A folder that is missing when a container starts would be made by the engine, owned by root.

    Args:
        packaged: whether the packaged docker-compose.yml makes the containers, which mounts no others that are missing.

    Raises:
        EngineError: one is no folder, or artifacts/ or logs/ cannot be written by the containers' user.
    """
    own = (project.model_store, project.logs)
    for folder in (*(project.root / name for name in (() if packaged else MOUNTED)), *own):
        try:
            if folder in own:
                own_folders.make(folder)
            else:
                folder.mkdir(exist_ok=True)  # for files of the user's, which git is to see
        except FileExistsError as error:
            hint = f"move it away: mv {_quoted(folder)} {_quoted(f'{folder}.old')}"
            raise EngineError(f"{folder} is not a folder", hint=hint) from error
        except OSError as error:
            raise EngineError(
                f"cannot make {folder}: {error.strerror}", hint=f"ls -ld {_quoted(folder.parent)}"
            ) from error
    writer = user(project.root)
    for folder in own:
        if os.getuid() == 0:
            _hand_over(_all_of(folder), writer)
        # A log file of another user cannot be appended to, and TorchServe then starts without its logs.
        closed = [path for path in (folder, *folder.glob("*.log")) if not writer.may_write(path)]
        if closed:
            raise EngineError(
                f"{folder.name}/ or a file in it cannot be written by uid {writer.uid}, whom containers run as"
                f" (it belongs to uid {closed[0].lstat().st_uid})",
                hint=f"sudo chown -R {writer.uid}:{writer.gid} {_quoted(folder)}",
            )


def make_writable(project: Project, writer: User, files: Iterable[Path]) -> None:
    """See to it that a container can write some of the project's files; what root owns of them root gives away.

    Raises:
        EngineError: one of them cannot be written there.
    """
    root = project.root
    if os.getuid() == 0:  # what root has made since the container was
        for folder in (project.model_store, project.logs):
            _hand_over(_all_of(folder), writer)
    for file in files:
        if os.getuid() == 0:
            _hand_over(_on_the_way(root, file), writer)
        place = next(path for path in (file, *file.parents) if path.exists())
        if not writer.may_write(place):
            both = dict.fromkeys((file.parent, place))  # a file is put in place of one, too
            closed = [path for path in both if path.exists() and not writer.may_write(path)]
            raise EngineError(
                f"{os.path.relpath(file, root)} cannot be written by uid {writer.uid}, whom the container runs as"
                f" ({os.path.relpath(place, root)} belongs to uid {place.stat().st_uid})",
                hint=f"sudo chown {writer.uid}:{writer.gid} {' '.join(map(_quoted, closed))}",
            )


def _hand_over(paths: Iterable[Path], writer: User) -> None:
    """Give what of them root owns to the containers' user; links are not followed."""
    for path in paths:
        if path.lstat().st_uid == 0:
            os.chown(path, *writer, follow_symlinks=False)


def _all_of(folder: Path) -> Iterator[Path]:
    if folder.is_symlink():
        return
    for parent, _, names in os.walk(folder):
        yield Path(parent)
        yield from (Path(parent, name) for name in names)


def _on_the_way(root: Path, file: Path) -> Iterator[Path]:
    """Yield a file and its folder, which is made if need be, but never the project's own, nor what lies outside."""
    if Path(os.path.realpath(root)) not in Path(os.path.realpath(file)).parents:
        return
    missing = [folder for folder in file.parents if not folder.exists()]
    file.parent.mkdir(parents=True, exist_ok=True)
    paths = (file, *missing, *([file.parent] if file.parent != root else []))
    yield from (path for path in paths if path.exists())


def _quoted(path: object) -> str:
    return shlex.quote(str(path))
