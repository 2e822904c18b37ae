"""Whose the files are that mardock writes into a project: where root runs it, those of the project's owner still."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def adopt(paths: Iterable[Path]) -> None:
    """Give what root just made to the owner of the folder each lies in; other names of the same file are left alone.

    Args:
        paths: folders before what they hold.
    """
    if os.geteuid() != 0:
        return
    for path in paths:
        found, folder = path.lstat(), path.parent.stat()
        if found.st_uid == 0 != folder.st_uid and (path.is_dir() or found.st_nlink == 1):
            os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


def adopt_tree(folder: Path) -> None:
    """Give a folder that root just made, and all it holds, to the owner of the folder it lies in."""
    if os.geteuid() == 0:
        adopt([folder, *sorted(folder.rglob("*"))])


def hand_back(project: Path, folders: Iterable[Path]) -> None:
    """Give what root, called from a user's project, and the server it started there wrote to that user.

    Args:
        project: its folder; where it is root's too, nothing is done.
        folders: those in it that are mardock's and TorchServe's own, there or not.
    """
    if os.geteuid() != 0 or project.stat().st_uid == 0:
        return
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            for path in (folder, *folder.rglob("*")):
                with suppress(FileNotFoundError):  # a server that runs has files that come and go
                    adopt([path])


def replace(path: Path, content: bytes) -> None:
    """Put a file in place in one step; one that was there gives it its mode and its owner.

    What is no file, as /dev/stdout, is written to.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    if (path.is_absolute() and path.parts[1] == "dev") or (path.exists() and not (path.is_file() or path.is_dir())):
        path.write_bytes(content)
        return
    target = path.resolve()  # a link goes on leading to it
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(content)
        if target.exists():
            before = target.stat()
            draft.chmod(before.st_mode & 0o777)
            if os.geteuid() == 0:
                os.chown(draft, before.st_uid, before.st_gid)
        else:
            adopt([draft])
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
