"""One line about a value: its type, and its shape, size or contents where it has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_ITEMS = 4
_SCALARS = (int, float, complex, type(None))


def describe(value: object, depth: int = 3) -> str:
    """Describe a value of any type, e.g. `list of 2 x {body: bytearray of 312}` or `Tensor float32 [1, 1, 28, 28]`.

    Args:
        depth: how many containers inside containers are opened.
    """
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return _array(value, shape, dtype)
    name = type(value).__name__
    if isinstance(value, (bytes, bytearray, memoryview, str)):
        return f"{name} of {len(value)}"
    if isinstance(value, _SCALARS):
        return name.replace("NoneType", "None")
    if isinstance(value, dict):
        return _mapping(value, depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"{name} of {len(value)}{_items(list(value), depth)}"
    return name


def _array(value: object, shape: Iterable[object], dtype: object) -> str:
    text = f"{type(value).__name__} {str(dtype).replace('torch.', '')} {[*shape]}"
    device = str(getattr(value, "device", "cpu"))
    return text if device == "cpu" else f"{text} on {device}"


def _mapping(value: dict[Any, Any], depth: int) -> str:
    if not depth:
        return f"{type(value).__name__} of {len(value)}"
    # Not value.items(): a request notes what the handler reads of it.
    shown = [f"{key}: {describe(item, depth - 1)}" for key, item in list(dict.items(value))[:_ITEMS]]
    return "{" + ", ".join([*shown, "…"] if len(value) > _ITEMS else shown) + "}"


def _items(items: list[object], depth: int) -> str:
    if not items or not depth:
        return ""
    shown = [describe(item, depth - 1) for item in items[:_ITEMS]]
    if len(set(shown)) == 1:
        return f" x {shown[0]}"
    return ": " + ", ".join([*shown, "…"] if len(items) > _ITEMS else shown)
