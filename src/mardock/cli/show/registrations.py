"""What became of models that were registered, and what to know of those that are served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mardock.cli import console
from mardock.cli.show import thread_note
from mardock.errors import MardockError, SeveralFailedError

if TYPE_CHECKING:
    from mardock.serving import Registered
    from mardock.tasks.register import Registration


def to_dict(registration: Registration) -> dict[str, Any]:
    """Return what JSON tells of one; of one that failed why, and None for the rest."""
    done = registration.done
    served = None if isinstance(done, MardockError) else done
    names = ("model", "version", "outcome", "workers", "url", "digest", "default_version", "drained")
    warning = registration.threads and thread_note.sentence(registration.threads)
    return {
        "name": registration.name,
        "error": done.to_dict() if isinstance(done, MardockError) else None,
        **{name: served and getattr(served, name) for name in names},
        "warning": warning,
    }


def show(registrations: Sequence[Registration]) -> None:
    """Print each.

    Raises:
        SeveralFailedError: some failed; why, is printed.
    """
    failures = {}
    for registration in registrations:
        if isinstance(registration.done, MardockError):
            failures[registration.name] = registration.done
            console.error(registration.done)
            continue
        _show_outcome(registration.done)
        if registration.threads is not None:
            console.warn(thread_note.sentence(registration.threads))
        _warn(registration.done)
    if failures:
        raise SeveralFailedError(failures, of=len(registrations), again="mardock register")


def _show_outcome(done: Registered) -> None:
    plural = "worker" if done.workers == 1 else "workers"
    digest = f", archive {done.digest}" if done.digest else ""
    console.success(
        f"{done.model} {done.version} {done.outcome}: {done.workers} {plural} READY{digest}",
        then=f"mardock predict {done.model} FILE" if done.workers else f"mardock models scale {done.model} 1",
    )


def _warn(done: Registered) -> None:
    if not done.drained:
        console.warn(f"requests of the {done.model} that was replaced were cut off; give them more time: --drain TIME")
    if done.default_version != done.version:
        console.warn(
            f"{done.model} {done.default_version} goes on answering predictions that name no version; "
            f"to change that: mardock models set-default {done.model} {done.version}"
        )
