"""Write the README's tables of Make targets and commands from the Makefiles and from `--help`: `readme_tables.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from mardock.cli.app import app

ROOT = Path(__file__).parents[1]
TARGET = re.compile(r"^([a-z-]+):[^#\n]*## (.*)$", re.MULTILINE)
SECTION = re.compile(r"<!-- targets -->.*<!-- /commands -->", re.DOTALL)
PAGE = """<!-- targets -->
## Make targets

Each target is one command; `make help` lists them. `ENGINE=docker` or `ENGINE=native` chooses the engine for one call.

| target | what it does |
|---|---|
{targets}

<!-- commands -->
## Commands

`mardock COMMAND --help` shows every option. `--json` prints one JSON value, of a shape that
[the reference](docs/reference/json.md) tells: answers as they are, bytes as base64. Requests are files, `-` (standard
input), `--json-body '{{…}}'` or `--form NAME=@FILE`; an answer that is no text goes into a pipe or `--output FILE`,
never to a terminal. Times are `10`, `10s`, `500ms`, `2m` or `1h`. `mardock --install-completion` lets the shell
complete models, versions and candidates.

| command | what it does |
|---|---|
{commands}
<!-- /commands -->"""


def main() -> None:
    """Replace the tables by what stands in the code."""
    readme = ROOT / "README.md"
    makefiles = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "develop.mk"))
    page = PAGE.format(
        targets="\n".join(f"| `make {name}` | {told} |" for name, told in TARGET.findall(makefiles)),
        commands="\n".join(f"| `{name}` | {told} |" for name, told in commands(get_command(app), "mardock")),
    )
    text, found = SECTION.subn(lambda _: page, readme.read_text(encoding="utf-8"))
    if found != 1:
        raise SystemExit(f"{readme}: the marks of the tables are gone, or there more than once")
    readme.write_text(text, encoding="utf-8")


def commands(group: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield each command with the first line of its help; of groups only what they hold."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", (command.help or "").split("\n", 1)[0]


if __name__ == "__main__":
    main()
