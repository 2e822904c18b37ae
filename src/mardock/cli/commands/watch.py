"""`mardock watch`: serve a model's files as they are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mardock.cli import console, context, panels

if TYPE_CHECKING:
    from mardock.swap.events import Event, Swapped

_LONGEST_ANSWER = 60


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=panels.SERVED)(watch)


def watch(
    model: context.ModelArgument = None,
    instant: Annotated[
        bool,
        typer.Option("--instant", help="Let the workers reload code in their own process; for development only."),
    ] = False,
) -> None:
    """Serve a model's files as they are saved, without losing a request; Ctrl-C leaves the last good version."""
    from mardock.swap.watch import watch as run

    run(context.project(), model, show, instant=instant)


def show(event: Event) -> None:
    """Print what happened."""
    from mardock.swap.events import Refused, Swapped

    if isinstance(event, Swapped):
        console.success(_sentence(event))
    elif isinstance(event, Refused):
        console.error(event.error)
        console.note(f"{event.serving} goes on serving" if event.serving else "nothing serves yet; save a mend")
    else:
        console.note(event.text)


def _sentence(event: Swapped) -> str:
    changed = f" with {', '.join(event.changed)}" if event.changed else ""
    answer = "" if event.answer is None else f"; the sample's answer: {_shortened(event.answer)}"
    return f"{event.what} serves{changed}, {event.seconds:.2f} s{answer}"


def _shortened(answer: bytes) -> str:
    text = answer.decode("utf-8", "replace").strip()
    line = "".join(character if character.isprintable() else " " for character in text[:_LONGEST_ANSWER])
    return f"{line}…" if len(text) > _LONGEST_ANSWER else line
