"""What is sent to a model: the files somebody names, or the sample mardock.toml names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional, TypeVar

from mardock import permissions
from mardock.archive.ignore import is_left_behind
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.settings.project import Project

_T = TypeVar("_T")
_MAX_BODIES = 256 * 1024 * 1024


def to_send(project: Project, model: Optional[str], given: Sequence[Path]) -> list[Path]:
    """Return the files to send: those given, folders opened, or the model's sample.

    Raises:
        ConfigError: one does not exist, a folder is empty, or there is neither a file nor a sample.
    """
    if not given:
        name, settings = project.settings.model(model)
        if settings.sample is None:
            raise ConfigError("no file to send", hint=f"name one, or set sample under [models.{name}]")
        given = [project.root / settings.sample]
    return [file for path in given for file in _files(path)]


def some(files: list[_T], number: Optional[int]) -> list[_T]:
    """Return that many of the files, picked at random; all of them when it is None."""
    import random

    return files if number is None else random.sample(files, min(number, len(files)))


def read(file: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with permissions.told(ConfigError):
            return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}", hint=f"ls -l {file}") from error


def bodies(project: Project, model: Optional[str], given: Sequence[Path]) -> tuple[bytes, ...]:
    """Read all that is to be sent again and again; see `to_send`.

    Raises:
        ConfigError: there is nothing, a file cannot be read, or they are too large to hold.
    """
    found = to_send(project, model, given)
    check_size(found)
    return tuple(read(file) for file in found)


def check_size(files: Iterable[Path]) -> None:
    """Refuse files that are too large together to be held; raises ConfigError."""
    if sum(file.stat().st_size for file in files) > _MAX_BODIES:
        raise ConfigError("the bodies together are larger than 256 MiB", hint="name fewer files")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            raise ConfigError(f"there is no file {path}", hint="check its path")
        return [path]
    files = sorted(file for file in path.iterdir() if file.is_file() and not is_left_behind(file))
    if not files:
        raise ConfigError(f"there are no files in {path}", hint="name a folder of samples")
    return files
