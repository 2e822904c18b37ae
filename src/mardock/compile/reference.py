"""What eager answers to each probe, and why a model is refused that does not answer the same twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mardock.compile.outputs import compare, leaves, nan_leaves
from mardock.compile.probes import SAMPLE, Inputs, copies, describe, same
from mardock.compile.reasons import first_line
from mardock.compile.tolerance import Tolerance
from mardock.errors import ConfigError

Answers = dict[str, dict[str, Any]]


@dataclass
class Reference:
    """Eager's answers.

    Attributes:
        answers: flattened (see `outputs.leaves`), by the probe's label.
        left_out: probes eager does not take.
        warnings: what the user should know about the model itself.
    """

    answers: Answers = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def answer_all(model: nn.Module, inputs: Mapping[str, Inputs], tolerance: Tolerance) -> Reference:
    """Run eager on every probe, twice.

    Raises:
        ConfigError: it does not take the sample, or does not answer the same twice.
    """
    found = Reference()
    with torch.inference_mode():
        for label, args in inputs.items():
            given = copies(args)
            try:
                first = leaves(model(*given))
            except Exception as error:
                if label == SAMPLE:
                    raise _not_taken(args, error) from error
                found.left_out.append(label)
                continue
            _check_repeatable(model, label, args, first, tolerance)
            if label == SAMPLE and not same(args, given):
                found.warnings.append("forward writes to its input")
            found.answers[label] = {
                path: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for path, leaf in first.items()
            }
    hollow = [label for label, answer in found.answers.items() if nan_leaves(answer)]
    if hollow:
        found.warnings.append(f"eager itself answers NaN to: {', '.join(hollow)}")
    return found


def _check_repeatable(
    model: nn.Module, label: str, args: Inputs, first: Mapping[str, Any], tolerance: Tolerance
) -> None:
    second = leaves(model(*copies(args)))
    result = compare(first, second, tolerance)
    if result.why is None:
        return
    raise ConfigError(
        f"the model is not deterministic ({label}: {result.why} between two calls): {_why_random(model, args)}",
        hint="no form of it can be compared with it; draw nothing at random in forward, and keep nothing between calls",
    )


def _why_random(model: nn.Module, args: Inputs) -> str:
    training = [name or type(module).__name__ for name, module in model.named_modules() if module.training]
    if training:
        return f"{training[0]} stays in training mode after eval()"
    with _RandomCalls() as calls:
        model(*copies(args))
    if calls.names:
        return f"forward draws random numbers ({', '.join(calls.names)})"
    return "its forward keeps something from one call to the next"


class _RandomCalls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operators that draw random numbers."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags and str(func.overloadpacket) not in self.names:
            self.names.append(str(func.overloadpacket))
        return func(*args, **(kwargs or {}))


def _not_taken(args: Inputs, error: Exception) -> ConfigError:
    return ConfigError(
        f"the model does not take the sample ({', '.join(describe(args))}): {first_line(error)}",
        hint="give the shape it takes, once per input: --input-shape 1x3x224x224 [--dtype int64]",
    )
