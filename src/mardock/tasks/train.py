"""Train a model only when its weights are older than what they are made from."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mardock.archive import ignore
from mardock.engines import select
from mardock.errors import ConfigError, EngineError
from mardock.listener import SILENT, Listener

if TYPE_CHECKING:
    from mardock.settings.project import Project
    from mardock.settings.schema import Training

# What a command ends with that Ctrl-C, SIGTERM or a closed terminal ended: nothing to tell the user.
ENDED_BY_SIGNAL = tuple(128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))


def train(
    project: Project, name: str, *, force: bool = False, interactive: bool = False, listener: Listener = SILENT
) -> int:
    """Bring a model's weights up to date, where torch is.

    Args:
        name: the model's in mardock.toml.
        force: train even if they are.
        interactive: whether the training command may use this process's terminal.

    Returns:
        0; or what the training command ended with when a signal of the user's ended it, who knows then.

    Raises:
        ConfigError: mardock.toml does not say how to train it, or one of the inputs is missing.
        EngineError: the training command failed.
    """
    training = project.settings.models[name].train
    if training is None:
        raise ConfigError(
            f"mardock.toml does not say how to train {name}",
            hint=f"add a [models.{name}.train] table with command and outputs",
        )
    if not force and up_to_date(project.root, training):
        listener.note(f"{', '.join(training.outputs)}: up to date")
        return 0
    listener.note(f"training {name}: {' '.join(training.command)}")
    outputs = [project.root / output for output in training.outputs]
    engine = select.where_torch_is(project, listener)
    code = engine.exec(training.command, interactive=interactive, writes=outputs)
    if code in ENDED_BY_SIGNAL:
        return code
    if code != 0:
        raise EngineError(f"training {name} failed with exit code {code}", hint="its own message stands above")
    missing = [output for output, path in zip(training.outputs, outputs) if not path.exists()]
    if missing:
        raise EngineError(
            f"training {name} did not write {', '.join(missing)}", hint=f"mend outputs under [models.{name}.train]"
        )
    return 0


def up_to_date(root: Path, training: Training) -> bool:
    """Say whether every output exists and is newer than every input.

    Raises:
        ConfigError: one of the inputs is missing.
    """
    outputs = [root / output for output in training.outputs]
    if not all(output.exists() for output in outputs):
        return False
    oldest = min(output.stat().st_mtime for output in outputs)
    return all(file.stat().st_mtime <= oldest for name in training.inputs for file in _files(root / name))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        yield from (file for file in files if not ignore.BUILT_IN.reason(file, is_folder=False))
    else:
        raise ConfigError(f"training reads {path}, which does not exist", hint="mend inputs in mardock.toml")
