"""What came of a deployment's rehearsal."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from mardock import reply
from mardock.cli import console

if TYPE_CHECKING:
    from mardock.deploy.rehearsal.rehearse import Rehearsal


def show(rehearsal: Rehearsal, *, as_json: bool) -> None:
    """Print a row per check; as JSON also what was predicted."""
    if not as_json:
        rows = [(check.name, "ok" if check.ok else "FAILED", check.figures) for check in rehearsal.checks]
        console.table(("CHECK", "OUTCOME", "FIGURES"), rows)
    else:
        answer = None if rehearsal.answer is None else reply.to_dict(rehearsal.answer)
        console.data_json({"checks": [asdict(check) for check in rehearsal.checks], "prediction": answer})
