"""How two archives differ: their manifests, their members, the lines of text, and the tensors inside of weights."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from mardock.archive import checkpoint
from mardock.archive.contents import Contents

_MAX_TEXT = 1 << 20
_NOT_THE_MODEL = ("createdOn",)


@dataclass(frozen=True)
class Change:
    """A member both have, with other bytes in each.

    Attributes:
        lines: a unified diff; empty unless both are text.
        entries: what differs inside of two checkpoints, e.g. `data/3`; empty unless both are zips.
    """

    name: str
    lines: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """What is not the same; `manifest` holds both values of each field, None where there is none."""

    manifest: Mapping[str, tuple[Any, Any]]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.manifest or self.removed or self.added or self.changed)


def compare(before: Contents, after: Contents) -> Difference:
    """Compare two models member by member; when an archive was made does not count.

    Raises:
        ArchiveError: weights are a zip that cannot be read.
    """
    both = sorted(before.members.keys() & after.members.keys())
    return Difference(
        _changed_fields(_flat(before.manifest), _flat(after.manifest)),
        tuple(sorted(before.members.keys() - after.members.keys())),
        tuple(sorted(after.members.keys() - before.members.keys())),
        tuple(_change(name, before, after) for name in both if before.digest(name) != after.digest(name)),
    )


def _flat(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a manifest, those of its objects as `model.handler`."""
    found = {}
    for key, value in manifest.items():
        if isinstance(value, dict):
            found.update({f"{key}.{inner}": told for inner, told in value.items()})
        elif key not in _NOT_THE_MODEL:
            found[key] = value
    return found


def _changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted({**before, **after})
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _change(name: str, before: Contents, after: Contents) -> Change:
    one, other = _text(before, name), _text(after, name)
    if one is not None and other is not None:
        labels = (f"{before.label}: {name}", f"{after.label}: {name}")
        return Change(name, tuple(difflib.unified_diff(one, other, *labels, lineterm="")))
    return Change(name, entries=_changed_entries(name, before, after))


def _text(contents: Contents, name: str) -> Optional[list[str]]:
    """Return a member's lines, or None when it is large or no text."""
    with contents.members[name]() as file:
        start = file.read(_MAX_TEXT + 1)
    if len(start) > _MAX_TEXT or b"\0" in start:
        return None
    try:
        return start.decode().splitlines()
    except UnicodeDecodeError:
        return None


def _changed_entries(name: str, before: Contents, after: Contents) -> tuple[str, ...]:
    with before.members[name]() as one, after.members[name]() as other:
        left, right = checkpoint.look(one), checkpoint.look(other)
    if left is None or right is None:
        return ()
    names = sorted({**left.entries, **right.entries})
    return tuple(entry for entry in names if left.entries.get(entry) != right.entries.get(entry))
