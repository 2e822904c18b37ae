"""Which module each command is in: it is imported, and its commands are made, when one of them is asked for."""

from __future__ import annotations

import importlib
from typing import Any, Optional

import typer
from typer.core import TyperGroup
from typer.main import get_group

_MODULES = {
    "setup": ("init", "doctor", "demo"),
    "lifecycle": ("up", "down", "status", "logs"),
    "local": ("local",),
    "model": ("train", "archive", "mar"),
    "inspecting": ("inspect", "diff"),
    "compiling": ("compile",),
    "trying": ("try",),
    "inference": ("register", "predict", "explain", "metrics"),
    "watching": ("watch",),
    "debugging": ("debug",),
    "tuning": ("tune",),
    "benching": ("bench",),
    "deploying": ("deploy",),
    "images": ("dev", "serve"),
    "models": ("models",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


class ModuleCommands(TyperGroup):
    """A group whose commands are those of the modules beside this one, in the order of the table above."""

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
            part = typer.Typer()
            importlib.import_module(f"mardock.cli.{_HOMES[cmd_name]}").add_to(part)
            self.commands.update(get_group(part).commands)
        return self.commands.get(cmd_name)
