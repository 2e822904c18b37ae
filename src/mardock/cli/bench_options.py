"""What the options of `bench` and `tune` mean, and what of them cannot be measured."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Optional

from mardock.errors import ConfigError

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


def check_finite(rate: Optional[float]) -> None:
    """Refuse a rate that is no number, or endless."""
    if rate is not None and not math.isfinite(rate):
        raise ConfigError("--rate must be finite", hint=_HELP)


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
