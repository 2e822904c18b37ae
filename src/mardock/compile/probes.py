"""The inputs a candidate has to answer as eager does: made from one sample, so that a baked-in branch or size shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import torch

Inputs = tuple[Any, ...]

_SEEDS = (0, 1, 2)
_BATCHES = (1, 2, 4)
SAMPLE = "sample"


def probes(sample: Inputs) -> dict[str, Inputs]:
    """Return inputs by label: the sample, others of its shape, other batch sizes, other shapes.

    Args:
        sample: the model's positional arguments; the first dimension of each tensor is the batch. What is no tensor is
            left as it is.
    """
    made: dict[str, Inputs] = {SAMPLE: sample}
    for seed in _SEEDS:
        made[f"seed {seed}"] = _random(sample, seed, lambda shape: shape)
    for label, change in (("negated", _negated), ("scaled", _scaled), ("zero", _lowest), ("constant", _highest)):
        made[label] = _map(sample, change)
    for size in _BATCHES:
        made[f"batch of {size}"] = _random(sample, size, lambda shape, size=size: (size, *shape[1:]))  # type: ignore[misc]
    made["larger"] = _random(sample, 0, lambda shape: _resized(shape, 5, 4))
    made["smaller"] = _random(sample, 0, lambda shape: _resized(shape, 3, 4))
    return {label: made[label] for label in _without_repetition(made)}


def copies(inputs: Inputs) -> Inputs:
    """Return inputs a forward may write to."""
    return _map(inputs, torch.Tensor.clone)


def describe(inputs: Inputs) -> list[str]:
    """Return e.g. `["float32 [1, 3, 224, 224]"]`."""
    return [
        f"{str(value.dtype).replace('torch.', '')} {list(value.shape)}"
        if isinstance(value, torch.Tensor)
        else repr(value)
        for value in inputs
    ]


def same(left: Inputs, right: Inputs) -> bool:
    """Say whether the tensors of both are equal."""
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else True for a, b in zip(left, right))


def _map(inputs: Inputs, change: Callable[[torch.Tensor], torch.Tensor]) -> Inputs:
    return tuple(change(value) if isinstance(value, torch.Tensor) else value for value in inputs)


def _random(sample: Inputs, seed: int, shape_of: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Inputs:
    """Draw tensors of the sample's kind: floats of its mean and deviation, integers and booleans from its range."""
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: torch.Tensor) -> torch.Tensor:
        shape = shape_of(tuple(tensor.shape)) if tensor.dim() else ()
        if tensor.is_floating_point():
            deviation, mean = torch.std_mean(tensor.float(), correction=0)
            noise = torch.randn(shape, generator=generator) * (deviation if deviation > 0 else 1.0) + mean
            return noise.to(tensor.dtype)
        low, high = (int(tensor.min()), int(tensor.max())) if tensor.numel() else (0, 0)
        return torch.randint(low, high + 1, shape, generator=generator).to(tensor.dtype)

    return _map(sample, draw)


def _negated(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_floating_point():
        return -tensor
    return ~tensor if tensor.dtype is torch.bool else tensor.flip(list(range(tensor.dim())))


def _scaled(tensor: torch.Tensor) -> torch.Tensor:
    return tensor * 10 if tensor.is_floating_point() else tensor.clone()


def _lowest(tensor: torch.Tensor) -> torch.Tensor:
    """All 0; for integers, such as the numbers of words, the lowest that is known to be one."""
    return torch.zeros_like(tensor) if tensor.is_floating_point() else tensor.amin().expand_as(tensor).clone()


def _highest(tensor: torch.Tensor) -> torch.Tensor:
    return torch.full_like(tensor, 0.5) if tensor.is_floating_point() else tensor.amax().expand_as(tensor).clone()


def _resized(shape: tuple[int, ...], numerator: int, denominator: int) -> tuple[int, ...]:
    """Stretch height and width of images [N, C, H, W], or the length of sequences [N, T] and [N, T, features]."""
    first, last = (2, len(shape)) if len(shape) >= 4 else (1, 2)
    return tuple(max(1, size * numerator // denominator) if first <= i < last else size for i, size in enumerate(shape))


def _without_repetition(made: dict[str, Inputs]) -> Iterator[str]:
    kept: list[Inputs] = []
    for label, inputs in made.items():
        if not any(same(inputs, other) for other in kept):
            kept.append(inputs)
            yield label
