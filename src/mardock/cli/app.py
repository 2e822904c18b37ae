"""The `mardock` command, and the one boundary where an error becomes text and an exit code."""

from __future__ import annotations

import gc
import signal
from types import FrameType
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from mardock import __version__, permissions
from mardock.cli import console, context, host_only
from mardock.cli.lazy_commands import ModuleCommands, evaluate
from mardock.errors import ConfigError, MardockError, OnHostError

INTERRUPTED = 130
TERMINATED = 143


class _Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: cleaned up after like Ctrl-C."""


class Boundary(TyperGroup):
    """Turns a MardockError into text on stderr and its exit code; nothing below it prints or exits."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command of this context."""
        if not gc.isenabled():
            gc.freeze()  # what imports left behind need not be looked through while the command runs
            gc.enable()
        try:
            return super().invoke(ctx)
        except MardockError as error:
            theirs = isinstance(error, OnHostError)
            console.error(error.but(hint=host_only.on_host(context.asked())) if theirs else error)
            raise typer.Exit(error.exit_code) from error
        except PermissionError as error:
            told = permissions.refused(error, kind=ConfigError)
            console.error(told)
            raise typer.Exit(told.exit_code) from error
        except _Terminated:
            raise typer.Exit(TERMINATED) from None
        except KeyboardInterrupt:
            console.note("interrupted")
            raise typer.Exit(INTERRUPTED) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that was asked for; it is kept as it was written, without what stands before it."""
        context.set_asked(args)
        return super().resolve_command(ctx, args)


class _Mardock(Boundary, ModuleCommands):
    """The commands, inside the boundary."""


app = typer.Typer(
    name="mardock",
    cls=_Mardock,
    help="Take a trained PyTorch model to a served endpoint on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug shows Python's own traceback, and no local variables with tokens in them
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        console.data(f"mardock {__version__}")
        raise typer.Exit


@app.callback()
@evaluate
def _root(
    project: context.ProjectOption = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.set_start(project)


def _terminate(number: int, frame: Optional[FrameType]) -> None:
    raise _Terminated


def run() -> int:
    """Run the command line of this process and return its exit code.

    What it wrote as root into a user's project is that user's then.
    """
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    finally:
        context.hand_back()
    return 0
