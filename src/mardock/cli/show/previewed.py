"""What an archive would hold, and what would be left out of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Optional

from mardock.archive.members import MANIFEST_NAME
from mardock.cli import console
from mardock.cli.console import printable

if TYPE_CHECKING:
    from pathlib import Path

    from mardock.tasks.archive import Preview


def to_dict(found: Preview, root: Path) -> dict[str, Any]:
    """Return what `archive --dry-run --json` prints; sources are relative to the project's folder."""
    real = os.path.realpath(root)
    members = [
        {"name": one.name, "source": os.path.relpath(one.path, real), "size": one.path.stat().st_size}
        for one in found.members
    ]
    return {
        "name": found.spec.model_name,
        "version": found.spec.version,
        "members": [*members, {"name": MANIFEST_NAME, "source": None, "size": None}],
        "ignored": [{"path": one.path, "reason": one.reason} for one in found.ignored],
    }


def show(found: Preview, root: Path) -> None:
    """Print a row per file that goes in, then one per path that is ignored."""
    told = to_dict(found, root)
    rows = [
        (printable(one["name"]), "made" if one["source"] is None else printable(one["source"]), _bytes(one["size"]))
        for one in told["members"]
    ]
    console.table(("MEMBER", "SOURCE", "BYTES"), rows)
    if told["ignored"]:
        console.data("")
        ignored = [(printable(one["path"]), printable(one["reason"])) for one in told["ignored"]]
        console.table(("IGNORED", "BY"), ignored)


def _bytes(size: Optional[int]) -> str:
    return "" if size is None else f"{size:,}"
