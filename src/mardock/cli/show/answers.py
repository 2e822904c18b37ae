"""What a model answered to each request: untouched, as a table, or beside the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from mardock.cli import console

if TYPE_CHECKING:
    from mardock.tasks.predict import Answer


def show(answers: Sequence[Answer], output: Optional[Path] = None) -> None:
    """Print one answer untouched, or one line per request; nothing when none has one.

    Args:
        output: the file a single answer is written to instead.

    Raises:
        ConfigError: it cannot be written.
    """
    if all(answer.failure for answer in answers):
        return
    if len(answers) > 1:
        console.table(("FILE", "PREDICTION"), [(answer.name, " ".join(answer.text.split())) for answer in answers])
    elif output is not None:
        _write(output, answers[0])
    else:
        console.data_bytes(answers[0].body, answers[0].content_type)


def _write(path: Path, answer: Answer) -> None:
    from mardock import ownership, reply
    from mardock.errors import ConfigError

    try:
        ownership.replace(path, answer.body)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", hint="name another --output") from error
    console.success(f"wrote {path} ({reply.described(answer.body, answer.content_type)})")


def show_labels(answers: Sequence[Answer]) -> None:
    """Print what was predicted beside what it is, and the accuracy; nothing when no file has an answer."""
    if all(answer.failure for answer in answers):
        return
    console.data("Predicted  Actual")
    for answer in answers:
        console.data(f"    {answer.text}        {answer.label}")
    right = sum(answer.right for answer in answers)
    console.data(f"\n{right} of {len(answers)} right, accuracy {right / len(answers):.1%}")


def raise_first_failure(answers: Sequence[Answer]) -> None:
    """Raise the first failure, saying how many there were."""
    failures = [answer for answer in answers if answer.failure is not None]
    if not failures:
        return
    first = failures[0].failure
    assert first is not None
    if len(answers) > 1:
        count = f"{len(failures)} of {len(answers)} files failed, first {failures[0].name}"
        raise first.but(message=f"{count}: {first.message}")
    raise first
