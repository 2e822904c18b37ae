"""What messages tell users to run: commands there are, with options they have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mardock.cli.app import app

SOURCE = Path(__file__).parents[3] / "src" / "mardock"
TOLD = re.compile(r"mardock ((?:\w[\w-]* )+)([^\"'`;,&()\n]*--[a-z][^\"'`;,&()\n]*)")


def told() -> Iterator[tuple[str, str]]:
    """Yield every command line with an option that stands in a text of the sources: its first words, and the rest."""
    for path in sorted(SOURCE.rglob("*.py")):
        text = re.sub(r"\{[^{}]*\}", "NAME", path.read_text(encoding="utf-8"))
        for line in TOLD.finditer(text):
            yield line[1], line[2]


def options(words: list[str]) -> set[str]:
    """Return the options of the command that these words begin with; of a group's default command, too."""
    command: Any = typer.main.get_command(app)
    context = typer.Context(command)
    for word in words:
        if not hasattr(command, "get_command") or command.get_command(context, word) is None:
            break
        command = command.get_command(context, word)
    if hasattr(command, "get_command") and command.get_command(context, "run") is not None:
        command = command.get_command(context, "run")
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize(("words", "rest"), sorted(set(told())))
def test_a_command_that_is_told_takes_the_options_told(words: str, rest: str) -> None:
    assert set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)) <= options(words.split())
