"""The `mardock` command as another user of this machine meets it; only root can become one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Optional

from tests.support.command import MARDOCK, TIMEOUT_S, Ended, environment

UID = 4242
"""A user without a name here, as one is in many containers."""

REPOSITORY = Path(__file__).parents[2]
# Python may lie where only root may enter, as below root's own home. In a view of its own, which ends with the command,
# such a folder holds nothing but what the command runs from. Takes the uid, pairs of such a folder and what of it is to
# be had, `--`, and the command.
_BECOME = """
set -e
uid=$1 covered= aside=$(mktemp -d)
shift
while [ "$1" != -- ]; do
  if [ "$1" != "$covered" ]; then
    [ -z "$covered" ] || umount -l "$aside"
    mount --rbind "$1" "$aside"
    mount -t tmpfs -o mode=755 view "$1"
    covered=$1
  fi
  mkdir -p "$1/$2"
  mount --bind "$aside/$2" "$1/$2"
  shift 2
done
shift
[ -z "$covered" ] || umount -l "$aside"
rmdir "$aside"
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
"""


def needs_root(require: Callable[[str, str], Any]) -> None:
    """Skip, or fail where that is required, unless another user's part can be played here."""
    if os.getuid() != 0:
        require("root", "only root can run a command as another user")


@contextmanager
def place_for_all() -> Iterator[Path]:
    """Yield a folder that every user may enter, as those of pytest may not be."""
    with tempfile.TemporaryDirectory(prefix="mardock-test-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def mardock_as_other(root: Path, *arguments: object) -> Ended:
    """Run one command in a folder as a user who owns nothing but what was given to them."""
    done = subprocess.run(
        [*_become(), *MARDOCK, *map(str, arguments)],
        cwd=root,
        env=environment({"HOME": str(root), "LC_ALL": "C.UTF-8"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def give(root: Path) -> None:
    """Give a folder and all it holds to the other user."""
    for path in (root, *root.rglob("*")):
        os.chown(path, UID, UID, follow_symlinks=False)


def _become() -> list[str]:
    places = [Path(str(place)).resolve() for place in (sys.base_prefix, sys.prefix, REPOSITORY, *sys.path) if place]
    outermost = {place for place in places if place.is_dir() and not {*place.parents} & {*places}}
    pairs = sorted((closed, place) for place in outermost if (closed := _closed(place)))
    words = [word for closed, place in pairs for word in (str(closed), str(place.relative_to(closed)))]
    return [*(["unshare", "--mount"] if words else []), "sh", "-c", _BECOME, "sh", str(UID), *words, "--"]


def _closed(place: Path) -> Optional[Path]:
    """Return the outermost folder on the way to a place that others may not enter."""
    folders = reversed((place, *place.parents))
    return next((folder for folder in folders if not folder.stat().st_mode & stat.S_IXOTH), None)
