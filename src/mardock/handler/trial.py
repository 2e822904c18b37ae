"""A trial of one model's handler: its samples one by one, then in one batch, as a TorchServe worker would run them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mardock.handler.comparison import Tolerance, differences, read
from mardock.handler.debugger import post_mortem
from mardock.handler.outcome import BatchRun, Trial
from mardock.handler.recorder import Recorder
from mardock.handler.trial_spec import TrialSpec
from mardock.handler.worker_process import become_worker, unpack

if TYPE_CHECKING:
    from mardock.handler.harness import Worker
    from mardock.handler.trial_folder import TrialFolder


def import_torchserve() -> None:
    """Import and read what every worker does, and nothing more, so that a trial can begin at once."""
    with contextlib.suppress(Exception):  # where torch is missing, the command may yet move to where it is
        from mardock.handler.harness import metrics_cache

        metrics_cache()


def run(spec: TrialSpec, folder: TrialFolder) -> None:
    """Try a model in this process, which is of no use for anything else afterwards, and leave word in the folder."""
    recorder = Recorder(folder.entering)
    if not imported(recorder, folder):
        return
    from mardock.handler.harness import HandlerError, Worker
    from mardock.handler.loader import TS_FOLDER

    folder.watch()
    unpack(folder.model_dir, spec.members, spec.manifest)
    become_worker(folder.model_dir, TS_FOLDER, decoded=spec.decoded, packages=spec.packages)
    _limit(spec, folder, spec.startup_timeout)
    try:
        worker = Worker(folder.model_dir, spec, recorder, post_mortem if spec.debug else None)
    except HandlerError as error:
        folder.keep(Trial(recorder.take(), raised=error.raised))
        return
    start = recorder.take()
    singles: list[BatchRun] = []
    for sample in spec.samples:
        _limit(spec, folder, spec.response_timeout)
        singles.append(worker.answer([sample], spec.max_response_size))
        if not singles[-1].answered:
            break
    batch = _batch(spec, folder, worker) if spec.batch > 1 and singles[-1].answered else None
    warnings = [*worker.warnings, *(_unlike(singles, batch) if batch else [])]
    folder.keep(Trial(start, tuple(singles), batch, warnings=tuple(dict.fromkeys(warnings))))


def imported(recorder: Recorder, folder: TrialFolder) -> bool:
    """Import torch and TorchServe; where they are broken, leave word of it and say so."""
    recorder.enter("import")
    try:
        import mardock.handler.harness  # noqa: F401
    except Exception as error:  # OSError, too: that of a library which is not there
        folder.keep(Trial(raised=recorder.raised(error)))
        return False
    return True


def _batch(spec: TrialSpec, folder: TrialFolder, worker: Worker) -> BatchRun:
    _limit(spec, folder, spec.response_timeout)
    samples = [spec.samples[i % len(spec.samples)] for i in range(spec.batch)]
    return worker.answer(samples, spec.max_response_size)


def _limit(spec: TrialSpec, folder: TrialFolder, timeout: float) -> None:
    if not spec.debug:
        folder.limit(timeout)


def _unlike(singles: Sequence[BatchRun], batch: BatchRun) -> list[str]:
    """Warn of the first request that is answered otherwise in a batch than alone."""
    for i, reply in enumerate(batch.replies):
        alone = singles[i % len(singles)].replies[0]
        found = differences(read(alone.body), read(reply.body), Tolerance())
        if found:
            return [f"request {i + 1} of {batch.size} is answered otherwise in a batch than alone: {found[0]}"]
    return []
