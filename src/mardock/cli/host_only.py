"""What only the host can do: refused in the dev container, and said to be the host's where a hint names it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

from mardock import place
from mardock.errors import OnHostError

COMMANDS = ("init", "demo", "up", "down", "local", "debug", "tune", "deploy", "dev", "serve")
"""Those that start, stop or build containers, listen for programs of the host, or need its git, clouds and tokens."""

_NAMED = re.compile(rf"\b(?<!on the host: )(?:mardock|make) (?:{'|'.join((*COMMANDS, 'docker'))})\b")


def refuse(name: str, command: Any) -> None:
    """Have a command, or all commands of a group, refuse its work in the dev container; its help stays.

    Args:
        name: what it is called with, e.g. `serve run`.
        command: click's.
    """
    for sub, one in getattr(command, "commands", {}).items():
        refuse(f"{name} {sub}", one)
    if not hasattr(command, "commands"):
        command.callback = partial(_refused, name)


def on_host(arguments: Sequence[str]) -> str:
    """Return the hint that names what was asked for as the host's command."""
    return f"on the host: {shlex.join(['mardock', *arguments])}"


def told(text: str) -> str:
    """Return a text that names a command of the host's, in the dev container, with the word that it is one."""
    return _NAMED.sub(lambda found: f"on the host: {found[0]}", text, count=1) if place.inside() else text


def _refused(name: str, **options: Any) -> NoReturn:
    raise OnHostError(f"mardock {name} is for the host, and this is the dev container")
