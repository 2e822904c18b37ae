"""What commands share: their common options, the project they work on, being run again where torch is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mardock.cli import completion, console, durations
from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.settings.project import Project

ProjectOption = Annotated[
    Optional[Path], typer.Option("--project", "-C", help="The project's folder, instead of the current one.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", callback=console.json_mode)]
EngineOption = Annotated[
    Optional[str],
    typer.Option(
        "--engine",
        help="Who runs TorchServe: auto, docker or native.",
        metavar="ENGINE",
        autocompletion=completion.engines,
    ),
]
ModelArgument = Annotated[
    Optional[str],
    typer.Argument(
        help="A model of mardock.toml; may be left out when there is one.",
        metavar="[MODEL]",
        autocompletion=completion.models,
    ),
]
AskedModel = Annotated[
    Optional[str],
    typer.Argument(
        help="A registered model; may be left out when there is one.",
        metavar="[MODEL]",
        autocompletion=completion.served,
    ),
]
VersionOption = Annotated[
    Optional[str],
    typer.Option("--version", help="A version; the default one when left out.", autocompletion=completion.versions),
]


Drain = Annotated[
    float,
    durations.option("--drain", help="How long requests under way may take to be answered, e.g. 10s."),
]
Timeout = Annotated[
    float,
    durations.option("--timeout", least=1, help="How long to wait, e.g. 90s or 5m."),
]

_start: Optional[Path] = None
_project: Optional[Project] = None
_asked: tuple[str, ...] = ()


def set_start(path: Optional[Path]) -> None:
    """Remember where `--project` says the project is."""
    global _start
    _start = path


def set_asked(arguments: Sequence[str]) -> None:
    """Remember the command that was asked for: its name and what follows, without the options before it."""
    global _asked
    _asked = tuple(arguments)


def asked() -> tuple[str, ...]:
    """Return the command that was asked for, as it was written."""
    return _asked


def project(**overrides: Any) -> Project:
    """Return the project this command works on; `overrides` are fields of `Machine` given as flags.

    Raises:
        ConfigError: there is no project here.
    """
    from mardock.settings.project import Project
    from mardock.settings.root import find_root

    try:
        start = (_start or Path.cwd()).resolve(strict=True)
    except OSError as error:
        raise ConfigError(
            f"no such folder: {_start or 'the current one was deleted'}", hint="cd to your project"
        ) from error
    global _project
    _project = Project(find_root(start), **overrides)
    return _project


def hand_back() -> None:
    """Give what this command wrote as root into a project of somebody else's to them."""
    from mardock import ownership

    if _project is not None:
        ownership.hand_back(_project.root, (_project.state, _project.logs, _project.model_store))


def forward_to_torch(project: Project, *, writes: Sequence[Path] = (), reads: Sequence[Path] = ()) -> bool:
    """Run this very command in the dev container when that is where torch is, and exit with its code.

    Under the native engine, and in the dev container itself, it returns and the command runs in place.

    Args:
        writes: the files it writes; see `Engine.exec`.
        reads: the files outside of the project that it reads; where the dev container has not all of them, it returns
            even so.

    Returns:
        whether torch is here.

    Raises:
        ConfigError: it names a file outside of the project, which is all the container sees.
        EngineError: the container cannot be had, or cannot write one of the files.
    """
    from mardock.engines import select

    chosen = select.where_torch_is(project, console)
    if not chosen.torch_is_here and chosen.exec_sees(reads):
        name, *arguments = _without_engine(_asked)
        if "-" in arguments:
            raise ConfigError(
                "standard input does not reach the dev container", hint="write it to a file, and name that"
            )
        argv = ["mardock", name, *(_seen_from(project.root, argument) for argument in arguments)]
        raise typer.Exit(chosen.exec(argv, interactive=on_a_terminal(), writes=writes))
    return chosen.torch_is_here


def on_a_terminal() -> bool:
    """Say whether all that is read and written is a terminal's: in a container's terminal stdout and stderr are one."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _seen_from(root: Path, argument: str) -> str:
    """Return an argument with the path of a file, if it holds one, relative to the project's folder."""
    option, separator, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    path = Path(value)
    try:
        there, is_path = path.exists(), path.is_file() or (path.is_dir() and os.sep in value)
    except (OSError, ValueError):  # it is too long for a path
        there = is_path = False
    field, at, file = value.partition("=@")
    if at and not there:  # a form's field
        name, kind, content_type = file.partition(";type=")
        return f"{option}{separator}{field}=@{_seen_from(root, name)}{kind}{content_type}"
    if not is_path:
        return argument
    real, real_root = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    if real_root not in (real, *real.parents):
        raise ConfigError(
            f"{value} lies outside of the project, which is all the dev container sees",
            hint=f"copy it into {root}",
        )
    return f"{option}{separator}{real.relative_to(real_root)}"


def _without_engine(arguments: Sequence[str]) -> list[str]:
    """Leave out the option that says where to run: inside the container it is settled."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":  # what follows are no options
            return [*kept, argument, *rest]
        if argument == "--engine":
            next(rest, None)
        elif not argument.startswith("--engine="):
            kept.append(argument)
    return kept
