"""The names of a project's models, read in passing: nothing is checked, and nothing heavy imported."""

from __future__ import annotations

import sys
from pathlib import Path

from mardock.settings.root import PROJECT_FILE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def model_names(root: Path) -> dict[str, str]:
    """Return each model's name in mardock.toml, and what its archive is called; none where that cannot be read."""
    try:
        models = tomllib.loads((root / PROJECT_FILE).read_text(encoding="utf-8"))["models"]
    except (OSError, ValueError, KeyError):
        return {}
    tables = models.items() if isinstance(models, dict) else ()
    return {name: _archive_name(table) or name for name, table in tables}


def _archive_name(table: object) -> str:
    archive = table.get("archive") if isinstance(table, dict) else None
    name = archive.get("model_name") if isinstance(archive, dict) else None
    return name if isinstance(name, str) else ""
