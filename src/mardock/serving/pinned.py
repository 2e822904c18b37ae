"""Archives and folders under the name of their content, so that TorchServe's own listing tells which one it serves.

TorchServe reports the URL a model was registered from and nothing about its bytes. So `mnist.mar` is registered from a
hard link `.mnist-<12 hex digits of its SHA-256>.mar` beside it: the file behind a served model stays until nothing
serves it, also when `mnist.mar` was written anew. TorchServe takes no URL of a subfolder, and skips hidden files when
it loads all of a store. A model served unpacked is a folder `.mnist-<12 hex digits>`.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from mardock.archive import directory
from mardock.archive.read import ModelArchive, read
from mardock.client.management import ManagementClient
from mardock.errors import ArchiveError, MardockError

_DIGITS = 12
_PINNED = re.compile(r"\.(?P<stem>.+)-(?P<digest>[0-9a-f]{12})(\.mar)?")


@dataclass(frozen=True)
class PinnedArchive:
    """An archive, the URL to register it by, and its shortened SHA-256; None for a folder whose content may change."""

    archive: ModelArchive
    url: str
    digest: Optional[str]


def pin(path: Path) -> PinnedArchive:
    """Give an archive of the model store the name of its content, after it was found sound; a folder keeps its own.

    See `mardock.serving.unpacked` for the folders that have one.

    Raises:
        ArchiveError: it is no archive, or the store cannot be written to.
    """
    checked = read(path)
    if path.is_dir():
        return PinnedArchive(checked, path.name, digest_of(path.name))
    draft = path.with_name(f".{path.stem}-{os.getpid()}-{threading.get_ident()}.pin")
    try:
        _link(path, draft)
        try:
            archive = read(draft, verify=False)  # path may hold other bytes by now
            digest = archive.sha256[:_DIGITS]
            target = path.with_name(f".{path.stem}-{digest}.mar")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ArchiveError(
            f"cannot write into the model store {path.parent}: {error.strerror}", hint=f"ls -ld {path.parent}"
        ) from error
    return PinnedArchive(replace(archive, path=target), target.name, digest)


def folder_name(model: str, sha256: str) -> str:
    """Return the name of the folder of a model served unpacked."""
    return f".{model}-{sha256[:_DIGITS]}"


def digest_of(url: str) -> Optional[str]:
    """Return the digest a URL names, or None when it is not one of a pinned archive."""
    found = _PINNED.fullmatch(url)
    return found["digest"] if found else None


def archive_of(url: str) -> Optional[str]:
    """Return the file name of the archive a pinned URL was made from, or None when it is not one."""
    found = _PINNED.fullmatch(url)
    return f"{found['stem']}.mar" if found else None


def links(path: Path) -> list[Path]:
    """Return the pinned files and folders of an archive, or of a pinned one, of whatever content it had."""
    name = archive_of(path.name) or path.name
    return [link for link in path.parent.glob(".*-*") if archive_of(link.name) == name]


def sweep(client: ManagementClient, archive: Path) -> None:
    """Delete what is pinned of an archive and not served; it stays when the server cannot be asked."""
    with suppress(MardockError):
        served = {status.url for model in client.list_models() for status in client.describe(model.name)}
        for link in links(archive):
            if link.name in served:
                continue
            if link.is_dir():
                directory.remove(link)
            else:
                link.unlink(missing_ok=True)


def _link(path: Path, link: Path) -> None:
    try:
        os.link(path, link)
    except FileNotFoundError:
        raise
    except OSError:  # some file systems have no hard links, and Linux refuses one to another user's file
        shutil.copyfile(path, link)
