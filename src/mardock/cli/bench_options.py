"""What the options of `bench` and `tune` mean, and what of them cannot be measured."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.settings.project import Project

_MAX_BODIES = 256 * 1024 * 1024
_HELP = "mardock bench --help"


def numbers(option: str, text: str, *, most: int) -> tuple[int, ...]:
    """Read `1,4,16`.

    Raises:
        ConfigError: a part of it is no whole number from 1 to `most`, or stands there twice.
    """
    parts = [part.strip() for part in text.split(",")]
    hint = f"e.g. {option} 1,4"
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= most for part in parts):
        raise ConfigError(f"{option} {text!r}: whole numbers from 1 to {most} are wanted", hint=hint)
    found = tuple(int(part) for part in parts)
    if len(set(found)) < len(found):
        raise ConfigError(f"{option} {text!r} names a number twice", hint=hint)
    return found


def protocol(text: str) -> str:
    """Read `http` or `grpc`.

    Raises:
        ConfigError: it is neither.
    """
    if text not in ("http", "grpc"):
        raise ConfigError(f"--protocol {text!r}: http or grpc is wanted", hint=_HELP)
    return text


def bodies(project: Project, model: Optional[str], files: Sequence[Path]) -> tuple[bytes, ...]:
    """Read the bodies to send: of those files, or the model's sample.

    Raises:
        ConfigError: there are none, one cannot be read, or they are too large to hold.
    """
    from mardock.tasks import samples

    found = samples.to_send(project, model, files)
    if sum(file.stat().st_size for file in found) > _MAX_BODIES:
        raise ConfigError("the bodies together are larger than 256 MiB", hint="name fewer files")
    return tuple(samples.read(file) for file in found)


def check_finite(*values: float) -> None:
    """Refuse a time or a rate that is no number, or endless."""
    if not all(map(math.isfinite, values)):
        raise ConfigError("--duration, --warmup, --timeout and --rate must be finite", hint=_HELP)


def check_one_place(url: Optional[str], endpoint: Optional[str]) -> None:
    """Refuse --url and --endpoint together."""
    if url is not None and endpoint is not None:
        raise ConfigError("--url and --endpoint name two places", hint="leave one of them out")


def check_writable(*reports: Optional[Path]) -> None:
    """Refuse a report that could not be written after minutes of measuring."""
    for path in reports:
        if path is None:
            continue
        folder = path.absolute().parent
        if path.is_dir() or not folder.is_dir():
            raise ConfigError(f"cannot write {path}", hint="name a file in a folder that exists")
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise ConfigError(f"cannot write {path}", hint="name a file in a folder you may write to")
