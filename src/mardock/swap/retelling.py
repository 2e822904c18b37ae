"""Errors retold for someone who edits and saves: with the project's files in place of those the worker ran."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mardock.errors import MardockError
from mardock.swap.instant import MEMBER

_OWN_CALL = re.compile(rf"^called from .*{re.escape(MEMBER)}:\d+ in .*\n(    .*(\n|$))?", re.MULTILINE)


def retell(error: MardockError, folder: Path, sources: Mapping[str, str]) -> None:
    """Change an error in place.

    Args:
        folder: of the version that failed.
        sources: the project's path of each Python member.
    """
    # The last one is the folder wherever a container has it: its name is of one version alone.
    prefixes = [*map(re.escape, (str(folder), os.path.realpath(folder))), rf"/[^\s\"']*/{re.escape(folder.name)}"]
    pattern = re.compile(rf"(?:{'|'.join(prefixes)})/({'|'.join(map(re.escape, sources)) or '(?!)'})")
    for part in ("message", "details", "hint"):
        text = getattr(error, part)
        if text:
            text = pattern.sub(lambda found: sources[found[1]], text)
            setattr(error, part, _OWN_CALL.sub("", text).rstrip("\n"))
    if error.hint:
        error.hint = error.hint.replace(", then archive and register it again", " and save it")
