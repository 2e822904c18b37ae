"""A name for the user a container runs as, whom its image need not know: its shell and whoami ask for one."""

from __future__ import annotations

import contextlib
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker.models.containers import Container

NAME = "model-server"  # what USER says in docker-compose.yml, whoever it is
_FOLDER = "/etc"


def name_in(container: Container) -> None:
    """Add the user and the group a container runs as to its own list of them, unless they are there.

    The engine writes it, so nobody has to be root in the container. Where it cannot, the user stays without a name.
    """
    from docker.errors import APIError

    uid, _, gid = container.attrs["Config"]["User"].partition(":")
    with contextlib.suppress(APIError):
        _add(container, "passwd", uid, f"{NAME}:x:{uid}:{gid}::/tmp:/bin/bash")
        _add(container, "group", gid, f"{NAME}:x:{gid}:")


def _add(container: Container, file: str, number: str, entry: str) -> None:
    chunks, _ = container.get_archive(f"{_FOLDER}/{file}")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.getmember(file)
        content = archive.extractfile(member)
        lines = content.read().decode().splitlines() if content else []
    if not number.isdecimal() or any(line.split(":")[2:3] == [number] for line in lines):
        return
    text = "".join(f"{line}\n" for line in (*lines, entry)).encode()
    member.size = len(text)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(member, io.BytesIO(text))
    container.put_archive(_FOLDER, target.getvalue())
