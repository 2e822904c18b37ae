"""Everything a command prints: data to stdout, all else to stderr, colour only where a person reads."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Optional

from mardock import reply
from mardock.cli import host_only
from mardock.errors import MardockError
from mardock.listener import Advance

if TYPE_CHECKING:
    from rich.console import Console

_FIRST_LINE_S = 2.0
_LINE_EVERY_S = 5.0
_json = False
_console: Console | None = None
_told: deque[str] = deque(maxlen=200)  # the last lines of progress


def json_mode(value: bool) -> bool:
    """Answer errors as JSON too, from now on; the callback of every `--json` option."""
    global _json
    _json = _json or value
    return value


def data(text: str, *, flush: bool = False) -> None:
    """Print a command's result, or a line of it at once, for whoever reads along."""
    sys.stdout.write(text + "\n")
    if flush:
        sys.stdout.flush()


def printable(text: str) -> str:
    """Spell out the control characters of a stranger's text, which could drive the terminal."""
    return "".join(each if each.isprintable() or each == "\t" else f"\\x{ord(each):02x}" for each in text)


def data_bytes(body: bytes, kind: Optional[str] = None) -> None:
    """Write a server's answer untouched; on a terminal a line end is added, and what is no text is only described.

    Args:
        kind: the content type it was declared to be of.
    """
    sys.stdout.flush()
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(body)
    elif reply.is_text(body):
        sys.stdout.buffer.write(body if body.endswith(b"\n") else body + b"\n")
    else:
        note(f"{reply.described(body, kind)} that are no text: write them to a file with > FILE")
    sys.stdout.buffer.flush()


def data_json(value: Any) -> None:
    """Print a result as JSON with stable keys; an error after it is told on stderr, for stdout holds one value."""
    global _json
    _json = False
    try:
        text = json.dumps(value, indent=2, default=str, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), indent=2, default=str)
    sys.stdout.write(text + "\n")


def _finite(value: Any) -> Any:
    """Return a value with None for numbers that JSON has none for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def note(text: str) -> None:
    """Tell what is being done."""
    _told.append(text.strip())
    sys.stderr.write(text + "\n")


def ask(question: str) -> bool:
    """Ask what is answered with yes or no; no unless it begins with a y."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower().startswith("y")


def success(text: str, then: str = "") -> None:
    """Tell that it is done, and the next command to run."""
    _styled("✓", "green", text)
    if then:
        _styled("→", "cyan", host_only.told(then))


def warn(text: str) -> None:
    """Tell what the user should know but need not mend."""
    _styled("!", "yellow", host_only.told(text))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as an aligned plain table to stdout, two spaces between columns."""
    cells = [[str(header) for header in headers], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    for row in cells:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n")


def error(failure: MardockError) -> None:
    """Print an error: its sentence, its details and what mends it; after `--json` a JSON object, if nothing else is."""
    hint = host_only.told(failure.hint) if failure.hint else None
    if _json:
        data_json({"error": failure.but(hint=hint).to_dict()})
        return
    if failure.details and not _was_told(failure.details):
        note(failure.details.rstrip())
    _styled("error:", "bold red", failure.message)
    if hint:
        _styled("hint:", "cyan", hint)


def _was_told(details: str) -> bool:
    """Say whether these lines stand above already: what a tool prints is passed on while it runs."""
    return all(line.strip() in _told for line in details.splitlines() if line.strip())


@contextmanager
def progress(title: str) -> Iterator[Advance]:
    """Show how far a long job is: a bar on a terminal, a line every few seconds elsewhere.

    Yields:
        a function to call with the units done so far and in all.
    """
    if not sys.stderr.isatty():
        yield ProgressLines(title).advance
        return
    from rich.progress import Progress

    with Progress(console=_rich(), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class ProgressLines:
    """Plain lines that tell how far a job is; none when it ends soon.

    Args:
        clock: seconds that pass.
    """

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._title, self._clock = title, clock
        self._due = clock() + _FIRST_LINE_S

    def advance(self, done: int, total: int) -> None:
        """Tell how many units are done so far and in all, when it is time to."""
        if self._clock() >= self._due and done < total:
            self._due = self._clock() + _LINE_EVERY_S
            note(f"{self._title}: {100 * done // total} %")


@contextmanager
def waiting(title: str) -> Iterator[None]:
    """Show that something is awaited: a spinner on a terminal, one plain line elsewhere."""
    if not sys.stderr.isatty():
        note(f"{title} …")
        yield
        return
    with _rich().status(title):
        yield


def _styled(mark: str, style: str, text: str) -> None:
    if not sys.stderr.isatty():
        mark = mark if sys.stderr.encoding.lower().startswith("utf") else {"✓": "ok:", "→": "next:"}.get(mark, mark)
        note(f"{mark} {text}")
        return
    from rich.text import Text

    _rich().print(Text.assemble((mark, style), " ", text), soft_wrap=True)


def _rich() -> Console:
    global _console
    if _console is None:
        from rich.console import Console

        _console = Console(stderr=True, highlight=False)
    return _console
