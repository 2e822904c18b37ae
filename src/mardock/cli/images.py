"""The container commands: `mardock dev …` and `mardock serve …`."""

from __future__ import annotations

import sys
from typing import Annotated, Optional

import typer

from mardock.cli import console, context

Name = Annotated[Optional[str], typer.Option("--container-name", help="Instead of the one .env names.", metavar="NAME")]

dev = typer.Typer(name="dev", help="The dev container: where archives are built and handlers tried.", no_args_is_help=True)
serve = typer.Typer(name="serve", help="The TorchServe container.", no_args_is_help=True)
