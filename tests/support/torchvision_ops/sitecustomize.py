"""Lets torchvision be imported beside a torch its compiled operators were not built for, such as a CPU build of torch.

On the PYTHONPATH of an interpreter it declares, right before torchvision is first imported, the operators without which
that import fails. Nothing implements them: what calls one still fails.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any, Optional

DIFFERENTIABLE = ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
OPERATORS = ("nms", "qnms", *DIFFERENTIABLE, *(f"_{name}_backward" for name in DIFFERENTIABLE))


class Declarer(MetaPathFinder):
    """Finds no module, but learns when torchvision is looked for."""

    library: Any = None  # the operators are there as long as it is

    def find_spec(self, name: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None) -> None:
        if name != "torchvision" or self.library is not None:
            return
        from torch.library import Library

        self.library = Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in OPERATORS:
            self.library.define(f"{operator}(Tensor input) -> Tensor")


sys.meta_path.insert(0, Declarer())
