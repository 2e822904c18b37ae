"""Where a project begins: the nearest folder upward that holds mardock.toml."""

from __future__ import annotations

from pathlib import Path

from mardock.errors import ConfigError

PROJECT_FILE = "mardock.toml"


def find_root(start: Path) -> Path:
    """Return the project's folder for a command started in `start`.

    Raises:
        ConfigError: there is no mardock.toml in `start` or above it.
    """
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise ConfigError(
        f"there is no {PROJECT_FILE} in {start} or above it",
        hint="go to your project's folder, or make one here: mardock init .",
    )
