"""The inputs a handler hands to its model, taken from the call itself while it answers samples."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mardock.handler.outcome import Trial
from mardock.handler.recorder import Recorder
from mardock.handler.trial import imported
from mardock.handler.worker_process import become_worker, unpack

if TYPE_CHECKING:
    from torch import nn

    from mardock.handler.trial_folder import TrialFolder
    from mardock.handler.trial_spec import TrialSpec


def run(spec: TrialSpec, folder: TrialFolder, target: Path) -> None:
    """Answer the samples in one batch, in this process made for it; note how it went and save the model's inputs.

    Args:
        target: written with `torch.save`, a tuple of positional arguments; not at all when the handler calls no
            nn.Module, or with arguments that have no position.
    """
    recorder = Recorder(folder.entering)
    if not imported(recorder, folder):
        return
    import torch

    from mardock.handler.harness import HandlerError, Worker
    from mardock.handler.loader import TS_FOLDER

    folder.watch()
    unpack(folder.model_dir, spec.members, spec.manifest)
    become_worker(folder.model_dir, TS_FOLDER, decoded=spec.decoded, packages=spec.packages)
    folder.limit(spec.startup_timeout)
    try:
        worker = Worker(folder.model_dir, spec, recorder)
    except HandlerError as error:
        folder.keep(Trial(recorder.take(), raised=error.raised))
        return
    start = recorder.take()
    folder.limit(spec.response_timeout)
    calls = _Calls()
    answer = worker.answer(spec.samples, spec.max_response_size)
    folder.keep(Trial(start, (answer,)))
    if calls.inputs is not None:
        torch.save(calls.inputs, target)


class _Calls:
    """Keeps, from now on, the first inputs of the largest module that is called: transforms are modules too."""

    def __init__(self) -> None:
        from torch import nn

        self.inputs: Optional[tuple[Any, ...]] = None
        self._size = -1
        original = nn.Module.__call__

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            self._note(module, args, kwargs)
            return original(module, *args, **kwargs)

        nn.Module.__call__ = call  # type: ignore[method-assign]  # this process does nothing else

    def _note(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        import torch

        size = sum(parameter.numel() for parameter in module.parameters())
        if size <= self._size:
            return
        if kwargs:
            bound = inspect.signature(module.forward).bind(*args, **kwargs)
            args, kwargs = bound.args, bound.kwargs
        self._size = size
        plain = [value.detach().cpu().clone() if isinstance(value, torch.Tensor) else value for value in args]
        self.inputs = None if kwargs else tuple(plain)
