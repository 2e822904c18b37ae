"""What `mardock watch` tells as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mardock.cli import console

if TYPE_CHECKING:
    from mardock.swap.events import Event, Swapped

_LONGEST_ANSWER = 60


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
