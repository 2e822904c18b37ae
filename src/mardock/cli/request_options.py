"""What a command sends to a model: the options that say it, and standard input behind `-`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mardock.errors import ConfigError

if TYPE_CHECKING:
    from mardock.tasks.requests import Given

Files = Annotated[
    Optional[list[Path]],
    typer.Argument(
        help="Files, or folders of files; - is standard input; the model's sample when left out.", metavar="[FILES]…"
    ),
]
File = Annotated[
    Optional[Path],
    typer.Argument(help="What to send; - is standard input; the model's first sample when left out.", metavar="[FILE]"),
]
JsonBody = Annotated[
    Optional[str],
    typer.Option("--json-body", help="Send this JSON, as application/json.", metavar="JSON"),
]
Form = Annotated[
    Optional[list[str]],
    typer.Option(
        "--form", help="Send a form with this field; repeatable. NAME=@FILE sends a file in it.", metavar="NAME=VALUE"
    ),
]
ContentType = Annotated[Optional[str], typer.Option("--content-type", help="What is sent is of this type.")]
Output = Annotated[
    Optional[Path], typer.Option("--output", "-o", help="Write the answer to this file.", metavar="FILE")
]


def given(
    files: Sequence[Path],
    *,
    form: Optional[Sequence[str]] = None,
    json_body: Optional[str] = None,
    content_type: Optional[str] = None,
) -> Given:
    """Return what the options say is to be sent."""
    from mardock.tasks.requests import Given

    return Given(files, form or (), json_body, content_type, _read_stdin)


def model_or_stdin(model: Optional[str], files: Optional[Sequence[Path]]) -> tuple[Optional[str], list[Path]]:
    """Return the model and the files, where a model was left out before `-`."""
    found = list(files or ())
    return (None, [Path("-"), *found]) if model == "-" else (model, found)


def check_output(output: Optional[Path], *, requests: int = 1, as_json: bool = False) -> None:
    """Refuse what cannot be written before it is asked for.

    Raises:
        ConfigError: there are several answers, they are to be printed as JSON, or the file cannot be written.
    """
    if output is None:
        return
    from mardock.cli.bench_options import check_writable

    if as_json or requests > 1:
        said = "--json prints the answers" if as_json else f"{requests} requests have as many answers"
        raise ConfigError(f"--output takes the bytes of one answer, and {said}", hint="send one file without --json")
    check_writable(output)


def _read_stdin() -> bytes:
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise ConfigError(f"standard input cannot be read: {error.strerror}", hint="< FILE") from error
