"""What a model answers, as a tree of leaves, and two such answers compared."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

import torch

from mardock.compile.tolerance import Tolerance

_MOST_CLASSES = 5


class Comparison(NamedTuple):
    """How far an answer is from the expected one.

    Attributes:
        largest: the largest absolute difference of two numbers; infinite when there is no number to compare.
        where: the leaf it is in, e.g. `.logits`; empty when the answer is a single tensor.
        why: why the answer is refused; None when it is within the tolerance.
        size: the largest value that was expected there.
    """

    largest: float
    where: str
    why: Optional[str]
    size: float = 0.0


def leaves(answer: Any) -> dict[str, Any]:
    """Flatten tensors, sequences, mappings and dataclasses to `{path: leaf}`; tuples and lists are alike."""
    return dict(_leaves(answer, ""))


def _leaves(answer: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(answer, Mapping):
        for key, value in answer.items():
            yield from _leaves(value, f"{path}.{key}")
    elif isinstance(answer, (list, tuple)):
        for i, value in enumerate(answer):
            yield from _leaves(value, f"{path}[{i}]")
    elif dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        for field in dataclasses.fields(answer):
            yield from _leaves(getattr(answer, field.name), f"{path}.{field.name}")
    elif isinstance(answer, (torch.Tensor, int, float, str, type(None))):
        yield path, answer
    else:
        yield path, repr(answer)


def compare(
    expected: Mapping[str, Any],
    found: Mapping[str, Any],
    tolerance: Tolerance,
    like: Optional[Mapping[str, Any]] = None,
) -> Comparison:
    """Compare two flattened answers leaf by leaf; NaN equals NaN.

    Args:
        like: an answer of the same model, whose largest value counts where it is larger than that of `expected`.
    """
    if expected.keys() != found.keys():
        missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
        said = [
            f"lacks {', '.join(sorted(missing))}" if missing else "",
            f"adds {', '.join(sorted(extra))}" if extra else "",
        ]
        return Comparison(math.inf, "", f"its output {' and '.join(filter(None, said))}")
    worst = Comparison(0.0, "", None)
    for path, leaf in expected.items():
        reference = like.get(path) if like else None
        result = _compare_leaf(path, leaf, found[path], tolerance, reference)
        if (result.why is not None, result.largest) > (worst.why is not None, worst.largest):
            worst = result
    return worst


def nan_leaves(answer: Mapping[str, Any]) -> list[str]:
    """Return the paths of the leaves that hold a NaN."""
    return [
        path
        for path, leaf in answer.items()
        if (isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and bool(leaf.isnan().any()))
        or (isinstance(leaf, float) and math.isnan(leaf))
    ]


def _compare_leaf(path: str, expected: Any, found: Any, tolerance: Tolerance, like: Any) -> Comparison:
    label = path or "its output"
    if not isinstance(expected, torch.Tensor) or not isinstance(found, torch.Tensor):
        same = type(expected) is type(found) and expected == found
        if isinstance(expected, (int, float)) and isinstance(found, (int, float)):
            return _compare_leaf(path, torch.tensor(float(expected)), torch.tensor(float(found)), tolerance, None)
        return Comparison(0.0 if same else math.inf, path, None if same else f"{label} is {found!r}, not {expected!r}")
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return Comparison(math.inf, path, f"{label} is {_kind(found)}, not {_kind(expected)}")
    left, right = _wide(expected), _wide(found)
    if bool((left.isnan() != right.isnan()).any()):
        return Comparison(math.inf, path, f"{label} is NaN where eager's is not, or the other way round")
    difference = torch.where(left == right, 0.0, (left - right).abs()).nan_to_num(nan=0.0)
    largest = float(difference.max()) if difference.numel() else 0.0
    size = max(_size(left), _size(_wide(like)) if isinstance(like, torch.Tensor) else 0.0)
    absolute = tolerance.absolute * max(1.0, size) + tolerance.share * size
    allowed = absolute + tolerance.relative * left.abs().nan_to_num(nan=0.0, posinf=0.0)
    if bool((difference > allowed).any()):
        return Comparison(largest, path, f"{label} differs by up to {largest:.2g}", size)
    if tolerance.ranks and _ranks_differ(left, right, absolute):
        return Comparison(largest, path, f"{label} ranks its top {_MOST_CLASSES} otherwise", size)
    return Comparison(largest, path, None, size)


def _ranks_differ(expected: torch.Tensor, found: torch.Tensor, tie: float) -> bool:
    """Say whether the best classes of scores [N, classes] stand in another order, but for those that are as good."""
    if expected.dim() != 2 or expected.shape[1] < 2 or expected.isnan().any():
        return False
    best = expected.topk(min(_MOST_CLASSES, expected.shape[1]), dim=1)
    chosen = expected.gather(1, found.topk(best.indices.shape[1], dim=1).indices)
    return bool(((best.values - chosen).abs() > tie).any())


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    dense = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
    return torch.view_as_real(dense).double() if dense.is_complex() else dense.double()


def _size(tensor: torch.Tensor) -> float:
    finite = tensor[tensor.isfinite()]
    return float(finite.abs().max()) if finite.numel() else 0.0


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).replace('torch.', '')} {list(tensor.shape)}"
