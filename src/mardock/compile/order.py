"""What is to be compiled, and how, as data: carried out in this process, or in one of another Python that has torch."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Optional

from mardock import portable
from mardock.compile.reasons import death, first_line
from mardock.compile.report import CompileReport
from mardock.compile.tolerance import Tolerance
from mardock.errors import ConfigError, EngineNotFoundError, MardockError
from mardock.listener import Listener, Silent


@dataclass(frozen=True)
class Model:
    """Where a model comes from; see `source.ModelSource`."""

    serialized_file: Optional[Path] = None
    model_file: Optional[Path] = None
    module: Optional[str] = None
    folders: Sequence[Path] = ()


@dataclass(frozen=True)
class Sample:
    """What it is called with: random tensors of these shapes and types, or what a file holds."""

    shapes: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    file: Path = Path()


@dataclass(frozen=True)
class Order:
    """One model and its candidates; see `compilation.Plan`.

    Attributes:
        name: the model's.
        folder: an empty one, for the candidates' files.
    """

    name: str
    model: Model
    sample: Sample
    candidates: Sequence[str]
    tolerance: Tolerance
    threads: Optional[int]
    rounds: int
    timeout: float
    folder: Path


@dataclass(frozen=True)
class Done:
    """What came of an order: the report, and the file of the module the model was made by, if it was."""

    report: CompileReport
    module_file: Optional[Path]


def carry_out(order: Order, listener: Listener) -> Done:
    """Compile in this process, which takes torch; see `compilation.compile_model`.

    Raises:
        ConfigError: the model or its sample cannot be used.
        EngineNotFoundError: torch cannot be imported.
        OSError: what is needed meanwhile cannot be written.
    """
    try:
        from mardock.compile import compilation, sample
        from mardock.compile.source import ModelSource
    except Exception as error:  # OSError, too: that of a library which is not there
        raise EngineNotFoundError(
            f"torch cannot be imported by {sys.executable}: {first_line(error)}", hint="install it anew there"
        ) from error

    model, given = order.model, order.sample
    source = ModelSource(model.serialized_file, model.model_file, model.module, model.folders)
    inputs = partial(sample.of_shapes, given.shapes, given.dtypes) if given.shapes else partial(sample.read, given.file)
    how = compilation.Plan(order.candidates, order.tolerance, order.threads, order.rounds, order.timeout)
    report = compilation.compile_model(order.name, source.load, inputs, how, order.folder, listener)
    return Done(report, source.module_file)


def prepare() -> None:
    """Do nothing before there is an order."""


def work(order: Order, mouth: int, answer: Path) -> None:
    """Carry out an order for the process that started this one.

    Args:
        mouth: a file descriptor for what a listener is told.
        answer: the file for what came of it.
    """
    try:
        came: Any = carry_out(order, _Mouth(mouth))
    except MardockError as error:  # as such it cannot be sent between processes
        came = {"kind": type(error).__name__, "message": error.message, "details": error.details, "hint": error.hint}
    except OSError as error:
        came = error.strerror or str(error)
    answer.write_bytes(portable.dumps(came))


def read(answer: Path, exit_code: int) -> Done:
    """Return what the process of an order left.

    Raises:
        ConfigError: the model or its sample cannot be used, or the process died.
        EngineNotFoundError: torch cannot be imported there.
        OSError: it could not write.
    """
    if not answer.exists():
        why = death(128 - exit_code if exit_code > 128 else exit_code, "")
        raise ConfigError(f"the model cannot be compiled: {why}", hint="what it said stands above")
    came = pickle.loads(answer.read_bytes())  # noqa: S301 - written by `work`
    if isinstance(came, Done):
        return came
    if isinstance(came, dict):
        kind = {one.__name__: one for one in (ConfigError, EngineNotFoundError)}[came.pop("kind")]
        raise kind(came.pop("message"), **came)
    raise OSError(came)


class _Mouth(Silent):
    """Passes on what is told, a line each; once nobody hears it that raises, and all ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def note(self, text: str) -> None:
        os.write(self._descriptor, f"{' '.join(text.splitlines())}\n".encode())
