"""Inputs to compile a model with: of shapes given by hand, or kept in a file."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mardock.errors import ConfigError

_MOST_DIMENSIONS = 8


def of_shapes(shapes: Sequence[str], dtypes: Sequence[str]) -> tuple[Any, ...]:
    """Return one random tensor per shape: floats of mean 0 and deviation 1, integers 0 and 1.

    Args:
        shapes: e.g. `1x3x224x224`.
        dtypes: one per shape, one for all, or none for float32.

    Raises:
        ConfigError: a shape or a type is none, or their number does not fit.
    """
    if len(dtypes) not in (0, 1, len(shapes)):
        raise ConfigError(
            f"{len(dtypes)} --dtype for {len(shapes)} --input-shape", hint="give one each, or one for all"
        )
    generator = torch.Generator().manual_seed(0)
    names = list(dtypes) * (len(shapes) if len(dtypes) == 1 else 1) or ["float32"] * len(shapes)
    made = []
    for shape, name in zip(map(_parse, shapes), names):
        dtype = getattr(torch, name, None)
        if not isinstance(dtype, torch.dtype) or dtype.is_complex:
            raise ConfigError(f"--dtype {name!r} is no type of numbers", hint="e.g. --dtype float32 or --dtype int64")
        whole = not dtype.is_floating_point
        drawn = torch.randint(2, shape, generator=generator) if whole else torch.randn(shape, generator=generator)
        made.append(drawn.to(dtype))
    return tuple(made)


def read(path: Path) -> tuple[Any, ...]:
    """Return positional arguments saved with `torch.save`.

    Raises:
        ConfigError: there are none, or no tensor is among them.
    """
    try:
        inputs: tuple[Any, ...] = torch.load(path, weights_only=True)
    except (FileNotFoundError, pickle.UnpicklingError):
        inputs = ()
    if not any(isinstance(value, torch.Tensor) for value in inputs):
        raise ConfigError(
            "the handler hands its sample to no nn.Module as tensors that could be seen",
            hint="give their shape: --input-shape 1x3x224x224 [--dtype int64]",
        )
    return inputs


def _parse(text: str) -> tuple[int, ...]:
    parts = text.lower().split("x")
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts) or len(parts) > _MOST_DIMENSIONS:
        raise ConfigError(f"--input-shape {text!r} is no shape", hint="e.g. --input-shape 1x3x224x224")
    return tuple(int(part) for part in parts)
