"""The `mardock` command as another user of this machine meets it; only root can become one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.command import MARDOCK, TIMEOUT_S, Ended, environment

UID = GID = 4242
REPOSITORY = Path(__file__).parents[2]
# In a view of its own, a folder that only root may enter holds nothing but what the command runs from.
_ENTER = """
set -e
uid=$1; shift
while [ "$1" != -- ]; do
  exec 9<"$2"
  mountpoint -q "$1" && [ -e "$1/.mardock-view" ] || { mount -t tmpfs -o mode=755 view "$1"; touch "$1/.mardock-view"; }
  mkdir -p "$2"
  mount --no-canonicalize --bind /proc/self/fd/9 "$2"
  exec 9<&-
  shift 2
done
shift
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
"""


def needs_root(require: Callable[[str, str], Any]) -> None:
    """Skip unless another user's part can be played here."""
    if os.getuid() != 0:
        require("root", "only root can run a command as another user")


def mardock_as_other(root: Path, *arguments: object) -> Ended:
    """Run one command in a folder as a user who owns nothing but what was given to it."""
    done = subprocess.run(
        [*_become(), *MARDOCK, *map(str, arguments)],
        cwd=root,
        env=environment({"HOME": str(root.parent), "LC_ALL": "C.UTF-8"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _become() -> list[str]:
    closed = [
        word
        for place in dict.fromkeys((sys.base_prefix, sys.prefix, str(REPOSITORY)))
        if (folder := _closed(Path(place)))
        for word in (str(folder), place)
    ]
    view = ["unshare", "--mount"] if closed else []
    return [*view, "sh", "-c", _ENTER, "sh", str(UID), *closed, "--"]


def _closed(place: Path) -> Path | None:
    """Return the topmost folder on the way to a place that others may not enter."""
    folders = (place, *place.parents)
    return next((folder for folder in reversed(folders) if not folder.stat().st_mode & stat.S_IXOTH), None)
