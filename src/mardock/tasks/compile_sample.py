"""The inputs to compile a model with, as its handler makes them of the model's sample."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from mardock.errors import ConfigError, MardockError
from mardock.interpreter import require
from mardock.tasks import samples, trial_packages, trial_plan, trial_verdict

if TYPE_CHECKING:
    from mardock.interpreter import Interpreter
    from mardock.listener import Listener
    from mardock.settings.project import Project
    from mardock.settings.schema import ModelSettings

_HINT = "give a shape: --input-shape 1x3x224x224 [--dtype int64]"


def of_handler(
    project: Project,
    name: str,
    settings: ModelSettings,
    folder: Path,
    batch: int,
    python: Interpreter,
    listener: Listener,
) -> Path:
    """Let the model's handler answer `batch` requests with its sample, and return where it left the model's inputs.

    Args:
        folder: an empty one to work in.
        python: what has torch and TorchServe.

    Raises:
        ConfigError: there is no sample.
        EngineNotFoundError: that Python lacks TorchServe.
        ServingError: the handler fails on the sample, or the packages it brings cannot be installed.
    """
    from mardock.handler import sampling, trial
    from mardock.handler.child import Child
    from mardock.handler.trial_folder import TrialFolder
    from mardock.payload import Payload

    require(python, ("torch", "ts"), "a handler")
    if settings.sample is None:
        raise ConfigError(f"there is no sample input for {name}", hint=f"set sample under [models.{name}], or {_HINT}")
    files = samples.to_send(project, name, [])
    requests = {str(i): Payload(samples.read(files[i % len(files)])) for i in range(batch)}
    spec = trial_plan.plan(project, settings, requests, batch=None, timeout=None, debug=False)
    spec = dataclasses.replace(spec, packages=trial_packages.install(project, name, settings, folder, listener))
    trial_folder, target = TrialFolder(folder), folder / "inputs.pt"
    with Child(trial.import_torchserve, sampling.run, python=None if python.here else python.program) as child:
        found = trial_folder.conclude(spec, child.run(spec, trial_folder, target))
    try:
        failure = trial_verdict.failure(project, name, found, batched=spec.batch_size > 1)
        trial_verdict.raise_failure(failure, interrupted=child.interrupted, listener=listener)
    except MardockError as error:
        raise error.but(hint=f"{error.hint}; or {_HINT}" if error.hint else _HINT) from error
    return target
