"""What this user may not read, write or signal, told with whose it is and with the command that mends it."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from mardock import place
from mardock.errors import EngineError, MardockError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR)
_EFFECTIVE = os.access in os.supports_effective_ids


def user(uid: Optional[int] = None) -> str:
    """Return a user as `chown` and `sudo -u` take one, this process's own when left out.

    It is the name, or the number of one who has none; in the dev container always the number, for the host has other
    names for them.
    """
    uid = os.geteuid() if uid is None else uid
    try:
        return f"{uid}" if place.inside() else pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"{uid}"


@contextmanager
def told(kind: type[MardockError] = EngineError) -> Iterator[None]:
    """Turn what the system does not let this user do to a file inside the block into an error; see `refused`."""
    try:
        yield
    except (PermissionError, NotADirectoryError) as error:  # the latter where a file lies in a folder's place
        raise refused(error, kind=kind) from error


def refused(error: OSError, path: Optional[Path] = None, *, kind: type[MardockError] = EngineError) -> MardockError:
    """Return the error that names what stands in the way of a file, whose that is, and the command that mends it.

    Args:
        path: what was asked for, where the error itself does not say.
        kind: the class of the error.
    """
    asked = Path(os.path.abspath(_named(error, path)))  # noqa: PTH100 - resolve() asks what may not be asked
    at = obstacle(asked)
    found = at.lstat()
    whose, mode = user(found.st_uid), stat.S_IMODE(found.st_mode)
    message = f"cannot use {asked}: {error.strerror} ({at} belongs to {whose}, mode {mode:o})"
    return kind(message, hint=mend(at, error.errno))


def is_barred(path: Path) -> bool:
    """Say whether a file or folder is another user's and this one may not read and write it; a link bars nobody."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return not stat.S_ISLNK(found.st_mode) and found.st_uid != os.geteuid() and not _open(path)


def obstacle(path: Path) -> Path:
    """Return the file or folder, among a path and those it lies in, that keeps this user from using it."""
    for folder in reversed(path.parents):
        if not os.path.lexists(folder):
            return folder.parent
        if not _allows(folder, os.X_OK):
            return folder
    if os.path.lexists(path) and (not _allows(path, os.R_OK | os.W_OK) or path.lstat().st_uid != os.geteuid()):
        return path
    return path.parent


def mend(at: Path, number: Optional[int] = errno.EACCES) -> str:
    """Return the command that lets this user use a file or folder that stands in the way.

    Args:
        number: why it cannot be used, as the system says.
    """
    if number == errno.EROFS:
        return f"mount it writable: df {_quoted(at)}"
    if number in _FULL:
        return f"free some space: df {_quoted(at)}"
    if number in _IN_THE_WAY:
        return f"move it away: mv {_quoted(at)} {_quoted(at.with_name(f'{at.name}.old'))}"
    if at.lstat().st_uid == os.geteuid():
        return f"chmod -R u+rwX {_quoted(at)}"
    if number not in (errno.EACCES, errno.EPERM) or os.geteuid() == 0:
        return f"ls -ld {_quoted(at)}"
    return chown([_topmost(at)])


def chown(paths: Iterable[Path]) -> str:
    """Return the command that makes this user the owner of files, and of folders with all they hold."""
    return f"sudo chown -R {user()} {' '.join(map(_quoted, paths))}"


def _topmost(path: Path) -> Path:
    """Return the outermost folder around a path that lies in one of this user's; the path itself where none does."""
    around = (path, *path.parents)
    return next((at for at in around if at.parent != at and at.parent.stat().st_uid == os.geteuid()), path)


def _named(error: OSError, path: Optional[Path]) -> str:
    name = error.filename if path is None else path
    return os.fsdecode(name) if isinstance(name, (str, bytes, Path)) else "."


def _open(path: Path) -> bool:
    return _allows(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0))


def _allows(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=_EFFECTIVE)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
