"""Project: a folder with a mardock.toml, its settings read only when they are first asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock import own_folders

if TYPE_CHECKING:
    from mardock.settings.schema import ModelSettings, Settings


class Project:
    """One project on this machine.

    What needs no settings (status, down, logs of a running server) works while they are broken, and starts without
    importing what reads them.

    Args:
        root: the folder that holds mardock.toml, absolute.
        overrides: fields of `Machine` given as flags; `None` means not given.
    """

    def __init__(self, root: Path, **overrides: Any) -> None:
        self.root = root
        self.overrides = overrides

    @property
    def state(self) -> Path:
        """Where engines keep what they run: sockets, pids, rendered configuration. Safe to delete when all is down."""
        return self.root / own_folders.STATE

    @property
    def model_store(self) -> Path:
        """The folder TorchServe serves from and archives are written to."""
        return self.root / "artifacts"

    @property
    def logs(self) -> Path:
        """The folder TorchServe logs into."""
        return self.root / "logs"

    def first_sample(self, model: ModelSettings) -> Optional[Path]:
        """Return the first file a model's `sample` names, by name in a folder; None when there is none."""
        path = self.root / model.sample if model.sample else None
        if path is None or not path.is_dir():
            return path if path is not None and path.is_file() else None
        from mardock.archive.ignore import is_left_behind

        return min((file for file in path.iterdir() if file.is_file() and not is_left_behind(file)), default=None)

    @cached_property
    def settings(self) -> Settings:
        """What .env, mardock.toml and the flags say.

        Raises:
            ConfigError: something is wrong in them.
        """
        from mardock.settings.load import load

        return load(self.root, **self.overrides)
