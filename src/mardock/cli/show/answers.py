"""What a model answered to each file: untouched, as a table, or beside the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mardock.cli import console

if TYPE_CHECKING:
    from mardock.tasks.predict import Answer


def show(answers: Sequence[Answer]) -> None:
    """Print one answer untouched, or one line per file; nothing when no file has one."""
    if all(answer.failure for answer in answers):
        return
    if len(answers) == 1:
        console.data_bytes(answers[0].body)
        return
    console.table(("FILE", "PREDICTION"), [(answer.file, " ".join(answer.text.split())) for answer in answers])


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
        count = f"{len(failures)} of {len(answers)} files failed, first {failures[0].file}"
        raise first.but(message=f"{count}: {first.message}")
    raise first
