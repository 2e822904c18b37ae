"""Handlers to start from: what `mardock init --handler KIND` puts into a project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mardock.errors import ConfigError
from mardock.spelling import did_you_mean

KINDS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Starter:
    """A handler to start from.

    Attributes:
        files: what to write, by paths relative to the project.
        table: the text of `[models.NAME…]` that serves it.
    """

    files: Mapping[str, bytes]
    table: str


def starter(kind: str, model: str) -> Starter:
    """Return the starter of a kind, for a model of that name.

    Raises:
        ConfigError: there is no such kind.
    """
    raise _unknown(kind)


def _unknown(kind: str) -> ConfigError:
    hint = did_you_mean(kind, KINDS) or f"one of: {', '.join(KINDS)}"
    return ConfigError(f"there is no starter for {kind!r}", hint=hint)
