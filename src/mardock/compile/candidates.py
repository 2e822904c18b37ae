"""The forms a model is put into: what each is called, how it is made, whether TorchServe loads it from a file."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import torch
from torch import nn
from torch.utils import _pytree

from mardock.compile.probes import Inputs
from mardock.compile.reasons import first_line
from mardock.compile.report import EAGER, SUFFIXES


class NotHereError(Exception):
    """A candidate does not apply to this model or this machine; the message says why."""


@dataclass(frozen=True)
class Built:
    """A candidate ready to be called.

    Attributes:
        call: takes the sample's positional arguments. When there is a `file`, this is what was loaded from it again.
        file: what TorchServe can be given.
        note: what to know about it.
    """

    call: Callable[..., Any]
    file: Optional[Path] = None
    note: str = ""


@dataclass(frozen=True)
class Candidate:
    """One form.

    Attributes:
        build: given the model (which it may change), the sample and a file to write; runs in a process of its own.
        other_numerics: whether it computes with other numbers by intent.
    """

    name: str
    build: Callable[[nn.Module, Inputs, Path], Built]
    other_numerics: bool = False

    @property
    def suffix(self) -> str:
        """Of the file; empty when it has none."""
        return SUFFIXES.get(self.name, "")


def _eager(model: nn.Module, sample: Inputs, file: Path) -> Built:
    return Built(model, note="TorchScript already" if isinstance(model, torch.jit.ScriptModule) else "")


def _script(model: nn.Module, sample: Inputs, file: Path) -> Built:
    _refuse_torchscript(model)
    return _saved(torch.jit.script(model), file)


def _trace(model: nn.Module, sample: Inputs, file: Path) -> Built:
    return _saved(_traced(model, sample), file)


def _freeze(model: nn.Module, sample: Inputs, file: Path) -> Built:
    made, note = _torchscript(model, sample)
    return _saved(torch.jit.freeze(made), file, note)


def _optimize(model: nn.Module, sample: Inputs, file: Path) -> Built:
    made, note = _torchscript(model, sample)
    optimized = torch.jit.optimize_for_inference(made)
    try:
        return _saved(optimized, file, note)
    except RuntimeError as error:  # its constants in oneDNN's layout cannot be written
        file.unlink(missing_ok=True)
        return Built(optimized, note=f"cannot be saved: {first_line(error)}")


def _compile(model: nn.Module, sample: Inputs, file: Path) -> Built:
    _refuse_torchscript(model)
    _require_compiler()
    return Built(torch.compile(model), note="served through pt2 in model-config.yaml, compiled again by each worker")


def _export(model: nn.Module, sample: Inputs, file: Path) -> Built:
    _refuse_torchscript(model)
    shapes, two = _any_shape(sample)
    return Built(torch.export.export(model, two, dynamic_shapes=shapes).module())


def _aoti(model: nn.Module, sample: Inputs, file: Path) -> Built:
    """Compile ahead of time into a shared library, the one form of torch.export that TorchServe 0.12 loads."""
    _refuse_torchscript(model)
    _require_compiler()
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:  # for the C++ it is made of, too
        library = Path(scratch, file.name)
        options = {"aot_inductor.output_path": str(library)}
        shapes, two = _any_shape(sample)
        torch._export.aot_compile(model, two, dynamic_shapes=shapes, options=options)
        library.replace(file)
    note = "for this torch and this processor alone"
    return Built(torch._export.aot_load(str(file), "cpu"), file, note)


def _int8(model: nn.Module, sample: Inputs, file: Path) -> Built:
    _refuse_torchscript(model)
    if not any(isinstance(module, nn.Linear) for module in model.modules()):
        raise NotHereError("no nn.Linear to quantize")
    quantized = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
        model, {nn.Linear}, dtype=torch.qint8, inplace=True
    )
    made, note = _torchscript(quantized, sample)
    return _saved(made, file, note)


def _channels_last(model: nn.Module, sample: Inputs, file: Path) -> Built:
    return _cast(model, sample, file, None, torch.channels_last)


def _bf16(model: nn.Module, sample: Inputs, file: Path) -> Built:
    return _cast(model, sample, file, torch.bfloat16, None)


def _bf16_channels_last(model: nn.Module, sample: Inputs, file: Path) -> Built:
    return _cast(model, sample, file, torch.bfloat16, torch.channels_last)


_ALL = (
    Candidate(EAGER, _eager),
    Candidate("script", _script),
    Candidate("trace", _trace),
    Candidate("freeze", _freeze),
    Candidate("optimize", _optimize),
    Candidate("compile", _compile),
    Candidate("export", _export),
    Candidate("aoti", _aoti),
    Candidate("int8", _int8, other_numerics=True),
    Candidate("channels_last", _channels_last),
    Candidate("bf16", _bf16, other_numerics=True),
    Candidate("bf16_channels_last", _bf16_channels_last, other_numerics=True),
)
CANDIDATES = {candidate.name: candidate for candidate in _ALL}


class _Cast(nn.Module):
    """A model that is handed its images in another type or layout, and answers in the one it was given."""

    def __init__(self, model: nn.Module, dtype: Optional[torch.dtype], layout: Optional[torch.memory_format]) -> None:
        super().__init__()
        self.model = model.to(dtype=dtype) if dtype else model
        if layout:
            self.model = self.model.to(memory_format=layout)  # type: ignore[call-overload]
        self._dtype, self._layout = dtype, layout

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Take and answer what the model does."""
        return _pytree.tree_map_only(torch.Tensor, self._back, self.model(*map(self._there, inputs)))

    def _there(self, tensor: torch.Tensor) -> torch.Tensor:
        if self._dtype and tensor.is_floating_point():
            tensor = tensor.to(self._dtype)
        return tensor.contiguous(memory_format=self._layout) if self._layout and tensor.dim() == 4 else tensor

    def _back(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.float() if tensor.dtype is self._dtype else tensor


def _cast(
    model: nn.Module, sample: Inputs, file: Path, dtype: Optional[torch.dtype], layout: Optional[torch.memory_format]
) -> Built:
    if layout and not any(parameter.dim() == 4 for parameter in model.parameters()):
        raise NotHereError("no convolution over images")
    return _saved(torch.jit.freeze(_traced(_Cast(model, dtype, layout).eval(), sample)), file, "a trace")


def _torchscript(model: nn.Module, sample: Inputs) -> tuple[torch.jit.ScriptModule, str]:
    """Return the model scripted, or traced where that cannot be."""
    if isinstance(model, torch.jit.ScriptModule):
        return model, ""
    try:
        return torch.jit.script(model), ""
    except Exception:  # whatever torch raises; the candidate `script` tells why
        return _traced(model, sample), "a trace"


def _traced(model: nn.Module, sample: Inputs) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what tracing may bake in: the probes tell whether it did
        traced: torch.jit.ScriptModule = torch.jit.trace(  # type: ignore[no-untyped-call]
            model, sample, check_trace=False, strict=False
        )
    return traced


def _saved(made: torch.jit.ScriptModule, file: Path, note: str = "") -> Built:
    """Write it and read it back, as TorchServe will: what is verified and timed is what is in the file."""
    torch.jit.save(made, str(file))
    loaded = torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-untyped-call]
    return Built(loaded.eval(), file, note)


def _any_shape(sample: Inputs) -> tuple[Any, Inputs]:
    """Leave every dimension free that the model does; the batch becomes two, for 1 would be taken for a constant."""
    if not hasattr(torch.export.Dim, "AUTO"):
        raise NotHereError(f"needs a torch whose export finds dynamic shapes; this is {torch.__version__}")
    free = torch.export.Dim.AUTO
    shapes = tuple(dict.fromkeys(range(v.dim()), free) if isinstance(v, torch.Tensor) else None for v in sample)
    return shapes, tuple(_at_least_two(value) for value in sample)


def _at_least_two(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dim() and value.shape[0] == 1:
        return value.repeat(2, *([1] * (value.dim() - 1)))
    return value


def _refuse_torchscript(model: nn.Module) -> None:
    if isinstance(model, torch.jit.ScriptModule):
        raise NotHereError("the model is TorchScript already")


def _require_compiler() -> None:
    if not any(shutil.which(name) for name in _compilers()):
        raise NotHereError("needs a C++ compiler, and none is installed here (g++ or clang++)")


def _compilers() -> Iterator[str]:
    yield os.environ.get("CXX") or "g++"
    yield "clang++"
