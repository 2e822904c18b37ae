"""What differs between two archives."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from mardock.cli import console
from mardock.cli.console import printable

if TYPE_CHECKING:
    from mardock.archive.diff import Change, Difference

_SHOWN = 20


def show(found: Difference) -> None:
    """Print a line for each, and the lines of text that differ."""
    if not found:
        console.data("no difference")
    for name, (old, new) in found.manifest.items():
        console.data(f"manifest {name}: {_value(old)} -> {_value(new)}")
    for name in found.removed:
        console.data(f"removed  {name}")
    for name in found.added:
        console.data(f"added    {name}")
    for change in found.changed:
        _show_change(change)


def _show_change(change: Change) -> None:
    console.data(f"changed  {change.name}")
    for entry in change.entries[:_SHOWN]:
        console.data(f"  {entry}")
    if len(change.entries) > _SHOWN:
        console.data(f"  and {len(change.entries) - _SHOWN} more")
    for line in change.lines:
        console.data(_coloured(printable(line)))


def _value(value: object) -> str:
    return "none" if value is None else printable(str(value))


def _coloured(line: str) -> str:
    """Colour a line of a unified diff where a person reads it."""
    if not sys.stdout.isatty():
        return line
    from rich.console import Console
    from rich.text import Text

    style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
    text = io.StringIO()
    # Only the style is taken from it: NO_COLOR and TERM=dumb are honoured there.
    Console(file=text, force_terminal=True, highlight=False).print(Text(line, style), soft_wrap=True, end="")
    return text.getvalue()
