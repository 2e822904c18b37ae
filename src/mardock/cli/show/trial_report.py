"""What `mardock try` shows: the stages on stderr, the predictions on stdout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mardock import reply
from mardock.cli import console

if TYPE_CHECKING:
    from mardock.handler.outcome import Stage, Trial


def show_stages(trial: Trial, labels: Sequence[str]) -> None:
    """Print what each stage took, gave and cost."""
    rows: list[tuple[str, ...]] = [("STAGE", "MS", "TAKES", "GIVES"), *_rows(trial.start)]
    for run, label in zip(trial.singles, labels):
        rows += [(label,), *_rows(run.stages)]
    if trial.batch:
        rows += [(f"batch of {trial.batch.size}",), *_rows(trial.batch.stages)]
    cells = [row for row in rows if len(row) > 1]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in rows:
        padded = [
            row[0].ljust(widths[0]),
            *(cell.rjust(widths[1]) if i == 0 else cell.ljust(widths[i + 1]) for i, cell in enumerate(row[1:])),
        ]
        console.note("  ".join(padded).rstrip())


def _rows(stages: Sequence[Stage]) -> Iterator[tuple[str, ...]]:
    for stage in stages:
        name = f"  {stage.name}" + (f" x{stage.calls}" if stage.calls > 1 else "")
        yield name, f"{stage.seconds * 1000:,.1f}", stage.took, stage.gave


def show_replies(name: str, trial: Trial, labels: Sequence[str], *, as_json: bool) -> None:
    """Print the answers: a single one untouched, several one per line, or all as JSON."""
    replies = [run.replies[0] for run in trial.singles]
    if as_json:
        console.data_json(_to_dict(name, trial, labels))
    elif len(replies) == 1:
        console.data_bytes(replies[0].body, replies[0].content_type)
    else:
        shown = [reply.in_words(each.body, each.content_type) for each in replies]
        console.table(("FILE", "PREDICTION"), zip(labels, shown))


def _to_dict(name: str, trial: Trial, labels: Sequence[str]) -> dict[str, Any]:
    from mardock.handler.outcome import stages_to_dicts, to_dict

    return {
        "model": name,
        "start": stages_to_dicts(trial.start),
        "singles": [{"file": label, **to_dict(run)} for label, run in zip(labels, trial.singles)],
        "batch": to_dict(trial.batch) if trial.batch else None,
        "warnings": list(trial.warnings),
    }
