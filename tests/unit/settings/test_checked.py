"""What a table comes to as a dataclass, and which mistakes of it are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest

from mardock.settings.checked import Mistake, MistakesError, above, between, not_empty, read


@dataclass(frozen=True)
class Inner:
    size: Annotated[int, between(1, 8)]
    name: Annotated[str, not_empty] = "x"


@dataclass(frozen=True)
class Outer:
    kind: Literal["a", "b"] = "a"
    seconds: Annotated[float, above(0)] = 1.0
    on: bool = False
    root: Optional[Path] = None
    words: tuple[str, ...] = ()
    pair: tuple[int, float] = (0, 0.0)
    inner: Mapping[str, Inner] = ()  # type: ignore[assignment]
    plain: Any = None
    least: int = 0

    def __post_init__(self) -> None:
        if self.least > 5:
            raise ValueError("least is too much")


def mistakes(table: object) -> list[tuple[str, str]]:
    with pytest.raises(MistakesError) as caught:
        read(Outer, table)
    return [(".".join(mistake.place), mistake.problem) for mistake in caught.value.mistakes]


def test_every_type_of_field_is_read() -> None:
    table = {
        "kind": "b",
        "seconds": 2,
        "on": True,
        "root": Path("/"),
        "words": ["one"],
        "pair": [1, 2],
        "inner": {"it": {"size": 3}},
        "plain": {"any": 1},
    }
    inner = {"it": Inner(3)}
    assert read(Outer, table) == Outer(
        "b", 2.0, on=True, root=Path("/"), words=("one",), pair=(1, 2.0), inner=inner, plain={"any": 1}
    )


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [("on", "yes", True), ("on", "False", False), ("on", "0", False), ("least", "3", 3), ("seconds", "0.5", 0.5)],
)
def test_text_stands_for_numbers_and_truth_values(key: str, text: str, value: object) -> None:
    assert getattr(read(Outer, {key: text}), key) == value


@pytest.mark.parametrize(
    ("table", "place", "problem"),
    [
        ({"kind": "c"}, "kind", "has to be one of 'a', 'b'"),
        ({"kind": ["a"]}, "kind", "has to be one of 'a', 'b'"),
        ({"seconds": 0}, "seconds", "has to be more than 0"),
        ({"seconds": "nan"}, "seconds", "has to be more than 0"),
        ({"seconds": "soon"}, "seconds", "has to be a number"),
        ({"seconds": True}, "seconds", "has to be a number"),
        ({"least": 1.5}, "least", "has to be a whole number"),
        ({"least": True}, "least", "has to be a whole number"),
        ({"least": "x"}, "least", "has to be a whole number"),
        ({"least": None}, "least", "has to be a whole number"),
        ({"on": "maybe"}, "on", "has to be true or false"),
        ({"words": "one"}, "words", "has to be a list"),
        ({"words": [1]}, "words.0", "has to be text"),
        ({"pair": [1]}, "pair", "has to be a list of 2"),
        ({"inner": []}, "inner", "has to be a table"),
        ({"inner": {"it": 1}}, "inner.it", "has to be a table"),
        ({"inner": {"it": {}}}, "inner.it.size", "is missing"),
        ({"inner": {"it": {"size": 9}}}, "inner.it.size", "has to be between 1 and 8"),
        ({"inner": {"it": {"size": 1, "name": ""}}}, "inner.it.name", "must not be empty"),
        ({"inner": {"it": {"size": 1, "nmae": ""}}}, "inner.it.nmae", "is an unknown key"),
        ({"least": 6}, "", "least is too much"),
        ([], "", "has to be a table"),
    ],
)
def test_a_mistake_is_told_with_its_place(table: object, place: str, problem: str) -> None:
    assert mistakes(table) == [(place, problem)]


def test_every_mistake_is_told_in_the_order_of_the_fields() -> None:
    assert [place for place, _ in mistakes({"least": "x", "kind": "c", "inner": {"it": {"size": 0, "name": 1}}})] == [
        "kind",
        "inner.it.size",
        "inner.it.name",
        "least",
    ]


def test_a_mistake_holds_the_value() -> None:
    with pytest.raises(MistakesError, match="seconds has to be a number") as caught:
        read(Outer, {"seconds": "soon"})
    assert caught.value.mistakes == [Mistake(("seconds",), "wrong", "has to be a number", "soon")]


def test_unknown_keys_may_be_passed_over() -> None:
    assert read(Inner, {"size": 1, "colour": "red"}, ignore_unknown=True) == Inner(1)
