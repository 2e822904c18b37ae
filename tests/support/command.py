"""The `mardock` command as users meet it: a process of its own without a terminal, or this one where that is enough."""

from __future__ import annotations

import inspect
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Optional

import typer
from typer.testing import CliRunner, Result

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TIMEOUT_S = 240.0
EXIT_CODES: dict[str, list[Any]] = tomllib.loads(
    Path(__file__).parents[2].joinpath("scripts/exit_codes.toml").read_text(encoding="utf-8")
)
MARDOCK = (sys.executable, "-m", "mardock")


class Ended(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed to stdout, parsed."""
        return json.loads(self.out)


def mardock(root: Path, *arguments: object, env: Optional[Mapping[str, str]] = None) -> Ended:
    """Run one command in a folder.

    Args:
        env: variables on top of this process's own.
    """
    done = subprocess.run(
        [*MARDOCK, *map(str, arguments)],
        cwd=root,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    ended = Ended(done.returncode, done.stdout, done.stderr)
    _check_json(arguments, ended)
    assert _is_documented(arguments, ended.code), (
        f"scripts/exit_codes.toml knows no {ended.code} of {arguments}: {ended}"
    )
    return ended


def _is_documented(arguments: Sequence[object], code: int) -> bool:
    """Say whether docs/reference/ names an exit code of a command; what is no command ends in 2 anyway."""
    known = EXIT_CODES.get(command_of(arguments), [])
    return code in (0, 2, 8, 130, 143, *known) or "program" in known or code < 0


def _check_json(arguments: Sequence[object], ended: Ended) -> None:
    """Hold what a command printed as JSON to what docs/reference/ says of it."""
    from scripts import json_shapes

    command = command_of(arguments)
    if "--json" in arguments and ended.out and ended.code in (0, *EXIT_CODES.get(command, ())):
        found = list(json_shapes.faults(ended.json, (json_shapes.SHAPES[command], json_shapes.FAILED)))
        assert not found, (found, list(json_shapes.faults(ended.json, json_shapes.SHAPES[command])))


def command_of(arguments: Sequence[object]) -> str:
    """Return the command that is run, as docs/reference/ calls it; empty when it is none."""
    words = [str(word) for word in arguments]
    if words[:1] in (["--project"], ["-C"]):
        words = words[2:]
    if words[:1] == ["bench"] and words[1:2] not in (["run"], ["compare"]):
        return "bench run"
    return next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in EXIT_CODES), "")


class _Runner(CliRunner):
    """Keeps stderr apart from stdout with every click: before 8.2 that has to be asked for, and nothing flushes it."""

    def __init__(self) -> None:
        options: dict[str, Any] = {}
        if "mix_stderr" in inspect.signature(CliRunner).parameters:
            options["mix_stderr"] = False
        super().__init__(**options)

    @contextmanager
    def isolation(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        with super().isolation(*arguments, **options) as streams:
            assert isinstance(sys.stderr, io.TextIOWrapper)
            sys.stderr.reconfigure(write_through=True)
            yield streams


def in_process(app: typer.Typer, *arguments: object) -> Result:
    """Run one command of an app in this process."""
    return _Runner().invoke(app, [str(argument) for argument in arguments])


def succeed(root: Path, *arguments: object, env: Optional[Mapping[str, str]] = None) -> Ended:
    """Run one command that has to end with 0."""
    done = mardock(root, *arguments, env=env)
    assert done.code == 0, f"mardock {' '.join(map(str, arguments))}\n{done.out}{done.err}"
    return done


def environment(extra: Optional[Mapping[str, str]] = None) -> dict[str, str]:
    """Return this process's variables without what would set a project's machine, and `extra` on top."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("MARDOCK_")}, **(extra or {})}
