"""Where in the project's files a setting stands, so that a failure can name the line to change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.engines import config_properties

if TYPE_CHECKING:
    from yaml import Node


@dataclass(frozen=True)
class Place:
    """A file of the project, relative to its folder, and the line in it when the file has one to change."""

    path: str
    line: Optional[int] = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


def in_yaml(root: Path, path: Path, *keys: str) -> Place:
    """Return where a nested key stands; the nearest key above it when it is left out."""
    import yaml

    line = None
    node: Optional[Node] = yaml.compose((root / path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    for key in keys:
        entries = node.value if isinstance(node, yaml.MappingNode) else []
        found = [(name, value) for name, value in entries if name.value == key]
        if not found:
            break
        line, node = found[-1][0].start_mark.line + 1, found[-1][1]
    return Place(path.as_posix(), line)


def in_properties(root: Path, path: Path, key: str) -> Place:
    """Return where a key of config.properties stands."""
    found = config_properties.read(root / path).get(key)
    return Place(path.as_posix(), found.line if found else None)


def in_toml(root: Path, path: Path, table: str, key: str) -> Place:
    """Return where a key of a `[table]` stands; the table's own line when it is left out."""
    here = False
    place = Place(path.as_posix())
    for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        if header:
            here = header[1].replace(" ", "").replace('"', "") == table
            place = Place(path.as_posix(), number) if here else place
        elif here and re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", line):
            return Place(path.as_posix(), number)
    return place


def in_text(root: Path, path: Path, *patterns: str) -> Place:
    """Return the last line that matches the first of these patterns that any line matches."""
    lines = (root / path).read_text(encoding="utf-8").splitlines()
    for pattern in patterns:
        matching = [number for number, line in enumerate(lines, 1) if re.search(pattern, line)]
        if matching:
            return Place(path.as_posix(), matching[-1])
    return Place(path.as_posix())
