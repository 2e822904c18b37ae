"""What is said of a model whose workers want more cores than there are, or threads that nobody gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mardock.engines.threads import ThreadNote


def sentence(note: ThreadNote) -> str:
    """Return it with its mend."""
    model, workers, given = note.model, note.workers, note.given
    if note.kind == "unheeded":
        mend = "mardock down && mardock up" if note.per_model else "MARDOCK_FAST_WORKERS=true, then restart"
        return f"{model}: its workers have {given} threads and not {note.wanted}: {mend}"
    if note.kind == "kept":
        anew = f"mardock models unregister {model} && mardock register {model} --num-workers {workers}"
        return f"{model}: the workers it had keep {given} threads each, too many for {workers} workers: {anew}"
    share = f"{workers} workers with {given} threads each on {note.cores} cores"
    return f"{model}: {share} slow each other down; {_mend(note)}"


def _mend(note: ThreadNote) -> str:
    fitting = max(1, note.cores // note.workers)
    if note.per_model:
        return f"set threadsPerWorker: {fitting} in its model-config.yaml, then archive and register it again"
    return f"set MARDOCK_THREADS_PER_WORKER={fitting} in .env, then mardock down && mardock up"
