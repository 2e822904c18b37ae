"""Options that take a time, `10`, `10s`, `500ms`, `2m` or `1h`, read in one place."""

from __future__ import annotations

import math
import re
from typing import Any, Callable, Literal, Union

import typer

from mardock.errors import ConfigError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_TIME = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([a-z]*)\s*", re.IGNORECASE)


def option(*names: str, help: str, least: float = 0.0, most: float = math.inf, unit: Literal["s", "ms"] = "s") -> Any:
    """Return a typer option that takes a time and gives seconds.

    Args:
        least, most: the seconds it takes.
        unit: what a number alone is counted in.
    """
    return typer.Option(*names, parser=_parser(names[0], least, most, unit), metavar="TIME", help=help)


def _parser(name: str, least: float, most: float, unit: Literal["s", "ms"]) -> Callable[[Union[str, float]], float]:
    example = "50ms" if unit == "ms" else "10s"

    def time(text: Union[str, float]) -> float:
        """Read what was written; a default is seconds already."""
        if isinstance(text, (int, float)):
            return text
        found = _TIME.fullmatch(text)
        factor = _UNITS.get(found[2].lower() or unit) if found else None
        if found is None or factor is None:
            raise ConfigError(f"{name} {text!r} is no time", hint=f"e.g. {name} {example}; units are ms, s, m and h")
        value = float(found[1]) * factor
        if not least <= value <= most or math.isinf(value):
            bounds = f"from {_told(least)} to {_told(most)}" if math.isfinite(most) else f"at least {_told(least)}"
            raise ConfigError(f"{name} {text!r} is out of range", hint=f"it takes {bounds}")
        return value

    return time


def _told(seconds: float) -> str:
    return f"{seconds * 1000:g}ms" if 0 < seconds < 1 else f"{seconds:g}s"
