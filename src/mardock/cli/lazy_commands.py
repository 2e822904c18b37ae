"""Which module each command is in: it is imported, and its commands are made, when one of them is asked for."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from typing import Any, Callable, Optional, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_name, get_group, solve_typer_info_defaults
from typer.models import CommandInfo, TyperInfo

from mardock import place
from mardock.cli import host_only

_Command = TypeVar("_Command", bound=Callable[..., Any])
_MODULES = (
    *("init", "doctor", "demo", "up", "down", "status", "logs", "local", "schema"),
    *("train", "archive", "inspect", "diff", "compile", "try_"),
    *("register", "predict", "explain", "metrics", "watch", "debug", "tune", "bench"),
    *("deploy", "containers", "models"),
)
_NAMES = {"archive": ("archive", "mar"), "try_": ("try",), "containers": ("dev", "serve")}
_HOMES = {name: module for module in _MODULES for name in _NAMES.get(module, (module,))}


class ModuleCommands(TyperGroup):
    """A group whose commands are those of the modules below `commands/`, in the order of the list above."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, and have them all made: who lists them goes on to ask for each."""
        for name in _HOMES:
            self.get_command(ctx, name)
        return list(_HOMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Optional[Any]:
        """Return a command by its name."""
        if cmd_name not in _HOMES:
            self.list_commands(ctx)  # what is suggested instead is looked for in all of them
        elif cmd_name not in self.commands:
            made = get_group(_part(_HOMES[cmd_name])).commands
            for name in made if place.inside() else ():
                if name in host_only.COMMANDS:
                    host_only.refuse(name, made[name])
            self.commands.update(made)
        return self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without making the commands: their options take a sixth of the time, and none is shown."""
        listed = list(_summaries())
        TyperGroup(
            name=self.name, help=self.help, params=self.params, commands=listed, rich_markup_mode=self.rich_markup_mode
        ).format_help(ctx, formatter)


def _part(module: str) -> typer.Typer:
    """Return an app with the commands of one module."""
    part = typer.Typer()
    importlib.import_module(f"mardock.cli.commands.{module}").add_to(part)
    _evaluate_all(part)
    return part


def evaluate(command: _Command) -> _Command:
    """Let typer see a command's annotations, strings in these modules: on Python 3.9 it takes them as they are.

    3.9 is what the official TorchServe image has, where commands run as well.
    """
    if sys.version_info < (3, 10):
        from typing_extensions import get_annotations

        # Not typing.get_type_hints, which puts an Optional around those of a default None, and so hides them.
        command.__annotations__ = get_annotations(command, eval_str=True)
    return command


def _evaluate_all(app: typer.Typer) -> None:
    for info in app.registered_commands:
        if info.callback is not None:
            evaluate(info.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _evaluate_all(group.typer_instance)


def _summaries() -> Iterator[TyperCommand]:
    """Yield what a list shows of each command, in the order of the list above."""
    shown = {}
    for module in _MODULES:
        part = _part(module)
        found: list[CommandInfo | TyperInfo] = [*part.registered_commands]
        found += map(solve_typer_info_defaults, part.registered_groups)
        for info in found:
            name = info.name or get_command_name(getattr(info.callback, "__name__", ""))
            text = info.help or inspect.getdoc(info.callback)
            shown[name] = TyperCommand(name, help=text, hidden=info.hidden, rich_help_panel=info.rich_help_panel)
    return (shown[name] for name in _HOMES)
