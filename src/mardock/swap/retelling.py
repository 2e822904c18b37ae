"""Errors retold for someone who edits and saves: with the project's files in place of those the worker ran."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mardock.errors import MardockError
from mardock.swap.instant import MEMBER

_STORE_IN_CONTAINER = "/home/model-server/model-store"
_OWN_CALL = re.compile(rf"^called from .*{re.escape(MEMBER)}:\d+ in .*\n(    .*(\n|$))?", re.MULTILINE)


def retell(error: MardockError, folder: Path, sources: Mapping[str, str]) -> None:
    """Change an error in place.

    Args:
        folder: of the version that failed.
        sources: the project's path of each Python member.
    """
    prefixes = {str(folder), os.path.realpath(folder), f"{_STORE_IN_CONTAINER}/{folder.name}"}
    paths = {f"{prefix}/{name}": source for prefix in prefixes for name, source in sources.items()}
    pattern = re.compile("|".join(map(re.escape, paths)) or "(?!)")
    for part in ("message", "details", "hint"):
        text = getattr(error, part)
        if text:
            text = pattern.sub(lambda found: paths[found[0]], text)
            setattr(error, part, _OWN_CALL.sub("", text).rstrip("\n"))
    if error.hint:
        error.hint = error.hint.replace(", then archive and register it again", " and save it")
