"""Frozen dataclasses from tables: every value is checked against its field, and each mistake told with its place.

A field's type may be a dataclass, a mapping with text keys, a tuple, a literal, a scalar, or an optional one of these.
`Annotated` adds bounds. Numbers and truth values may be given as text, as variables of the environment are.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, Callable, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Bound = Callable[[Any], str]
"""Says what is wrong with a value of the right type; nothing when it is fine."""

NO_TEXT = "has to be text"
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Mistake(NamedTuple):
    """A value that cannot be used, at `place`, the keys that lead to it."""

    place: tuple[str, ...]
    kind: Literal["unknown", "missing", "wrong"]
    problem: str
    value: Any


class MistakesError(Exception):
    """A table that cannot be used; `mistakes` are all that were found."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(f"{'.'.join(one.place)} {one.problem}" for one in mistakes))
        self.mistakes = mistakes


def between(least: float, most: float = float("inf")) -> Bound:
    """Bound a number on both sides, or below only."""
    limits = f"at least {least}" if most == float("inf") else f"between {least} and {most}"
    return lambda value: "" if least <= value <= most else f"has to be {limits}"


def above(limit: float) -> Bound:
    """Bound a number below, without the limit itself."""
    return lambda value: "" if value > limit else f"has to be more than {limit}"


def not_empty(value: Any) -> str:
    """Ask a text or a tuple to hold something."""
    return "" if len(value) else "must not be empty"


def read(kind: type[T], table: object, *, ignore_unknown: bool = False) -> T:
    """Return a dataclass made from a table.

    A ValueError of its `__post_init__` counts as a mistake of the whole.

    Raises:
        MistakesError: keys are missing or unknown, or values of another type or out of bounds.
    """
    reader = _Reader(ignore_unknown)
    made: T = reader.value(kind, table, ())
    if reader.mistakes:
        raise MistakesError(reader.mistakes)
    return made


class _Reader:
    """Reads on after a mistake, with None in the place of what could not be read."""

    def __init__(self, ignore_unknown: bool) -> None:
        self._ignore_unknown = ignore_unknown
        self.mistakes: list[Mistake] = []

    def value(self, kind: Any, value: Any, place: tuple[str, ...]) -> Any:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self._bounded(arguments[0], arguments[1:], value, place)
        if origin is Union:  # Optional: the other one is None
            return None if value is None else self.value(arguments[0], value, place)
        if origin is Literal:
            choices = ", ".join(map(repr, arguments))
            return value if value in arguments else self._wrong(place, f"has to be one of {choices}", value)
        if origin is tuple:
            return self._tuple(arguments, value, place)
        if origin is Mapping:
            return self._mapping(arguments[1], value, place)
        if is_dataclass(kind):
            return self._dataclass(kind, value, place)
        try:
            return _SCALARS.get(kind, lambda it: it)(value)
        except ValueError as error:
            return self._wrong(place, str(error), value)

    def _bounded(self, kind: Any, bounds: tuple[Bound, ...], value: Any, place: tuple[str, ...]) -> Any:
        before = len(self.mistakes)
        found = self.value(kind, value, place)
        if len(self.mistakes) == before:
            for problem in filter(None, (bound(found) for bound in bounds)):
                self._wrong(place, problem, value)
        return found

    def _tuple(self, kinds: tuple[Any, ...], value: Any, place: tuple[str, ...]) -> Any:
        if not isinstance(value, (list, tuple)):
            return self._wrong(place, "has to be a list", value)
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        if len(kinds) != len(value):
            return self._wrong(place, f"has to be a list of {len(kinds)}", value)
        return tuple(self.value(kind, one, (*place, str(i))) for i, (kind, one) in enumerate(zip(kinds, value)))

    def _mapping(self, kind: Any, table: Any, place: tuple[str, ...]) -> Any:
        if not isinstance(table, Mapping):
            return self._wrong(place, "has to be a table", table)
        return {name: self.value(kind, value, (*place, name)) for name, value in table.items()}

    def _dataclass(self, kind: Any, table: Any, place: tuple[str, ...]) -> Any:
        if not isinstance(table, Mapping):
            return self._wrong(place, "has to be a table", table)
        before = len(self.mistakes)
        kinds = get_type_hints(kind, include_extras=True)
        known = {field.name: field for field in fields(kind)}
        if not self._ignore_unknown:
            unknown = [name for name in table if name not in known]
            self.mistakes += [Mistake((*place, name), "unknown", "is an unknown key", table[name]) for name in unknown]
        values = {}
        for name, field in known.items():
            if name in table:
                values[name] = self.value(kinds[name], table[name], (*place, name))
            elif field.default is MISSING and field.default_factory is MISSING:
                self.mistakes.append(Mistake((*place, name), "missing", "is missing", None))
        if len(self.mistakes) > before:
            return None
        try:
            return kind(**values)
        except ValueError as error:
            return self._wrong(place, str(error), table)

    def _wrong(self, place: tuple[str, ...], problem: str, value: Any) -> None:
        self.mistakes.append(Mistake(place, "wrong", problem, value))


def _whole(value: Any) -> int:
    if isinstance(value, str) or type(value) is int:
        with suppress(ValueError):
            return int(value)
    raise ValueError("has to be a whole number")


def _number(value: Any) -> float:
    if isinstance(value, str) or type(value) in (int, float):
        with suppress(ValueError):
            return float(value)
    raise ValueError("has to be a number")


def _truth(value: Any) -> bool:
    found = value if isinstance(value, bool) else _TRUTH.get(str(value).lower())
    if found is None:
        raise ValueError("has to be true or false")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(NO_TEXT)
    return value


_SCALARS: Mapping[Any, Callable[[Any], Any]] = {int: _whole, float: _number, bool: _truth, str: _text}
