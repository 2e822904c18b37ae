"""Row: one comparison of ours with a peer, as every benchmark returns it, and how it is rendered and kept.

A benchmark is a module with a docstring, `ROUNDS` and `measure(rounds)`, which returns rows; it ends in

    if __name__ == "__main__":
        results.main(measure, ROUNDS)
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Optional

HEADERS = ("what", "ours", "peer", "ratio", "goal", "verdict")


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: its name and a value per round; without values it could not be run."""

    name: str
    values: Sequence[float] = ()

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Goal:
    """What a row's figure is to reach, or not to exceed."""

    limit: float
    at_most: bool = False

    def is_met(self, figure: float) -> bool:
        """Say whether a figure is good enough."""
        return figure <= self.limit if self.at_most else figure >= self.limit

    def distance(self, figure: float) -> str:
        """Return how far a figure is from the limit, as a share of it where there is one."""
        return f"{abs(figure / self.limit - 1):.0%}" if self.limit else f"{abs(figure):g}"


def at_least(limit: float) -> Goal:
    """Ours is to be this many times better than the peer (0.9: may be a tenth worse)."""
    return Goal(limit)


def at_most(limit: float) -> Goal:
    """Ours may be this many times the peer's; without a peer, this much in the row's unit."""
    return Goal(limit, at_most=True)


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: what both sides did, e.g. `archive 500 MB of weights`.
        unit: of the values, e.g. `s` or `req/s`.
        more_is_better: as for throughput; less is better otherwise.
        peer: None where there is nobody to compare with, and the goal is one for our own median.
        note: what the reader has to know to judge the figures.
    """

    what: str
    unit: str
    ours: Side
    peer: Optional[Side] = None
    goal: Optional[Goal] = None
    more_is_better: bool = False
    note: str = ""

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Row:
        """Return what `asdict` took apart."""
        sides = {name: Side(**plain[name]) if plain[name] else None for name in ("ours", "peer")}
        return cls(**{**plain, **sides, "goal": Goal(**plain["goal"]) if plain["goal"] else None})

    @property
    def is_measured(self) -> bool:
        """Whether every side could be run."""
        return bool(self.ours.values) and (self.peer is None or bool(self.peer.values))

    @property
    def better(self) -> Optional[float]:
        """How many times better ours is than the peer, below 1 where the peer wins; None without values of both."""
        if self.peer is None or not self.is_measured:
            return None
        more, less = (self.ours, self.peer) if self.more_is_better else (self.peer, self.ours)
        return _ratio(more.values, less.values)

    @property
    def figure(self) -> Optional[float]:
        """What the goal is about: a ratio, or our median where there is no peer."""
        if not self.is_measured:
            return None
        if self.peer is None:
            return self.ours.median
        if self.goal is not None and self.goal.at_most:
            return _ratio(self.ours.values, self.peer.values)
        return self.better


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's cells, one for each of HEADERS."""
    goal, figure = row.goal, row.figure
    ratio = "" if figure is None or row.peer is None else _ratio_text(row, figure)
    aim = verdict = ""
    if goal is not None:
        limit = f"{goal.limit:g} {row.unit}" if row.peer is None else f"{goal.limit:g}x{_of_what(row)}"
        aim = f"at {'most' if goal.at_most else 'least'} {limit}"
        if figure is not None:
            met = goal.is_met(figure)
            verdict = f"met by {goal.distance(figure)}" if met else f"**missed by {goal.distance(figure)}**"
    return row.what, _side(row.ours, row.unit), _side(row.peer, row.unit) if row.peer else "-", ratio, aim, verdict


def sentences(rows: Iterable[Row]) -> list[str]:
    """Say in plain words where a peer wins, a goal is missed, or a side is not there, and what else has to be known."""
    found = []
    for row in rows:
        figure, better, subject = row.figure, row.better, f"{row.what}, {row.ours.name}"
        if figure is None:
            absent = [side.name for side in (row.ours, row.peer) if side is not None and not side.values]
            found.append(f"{subject}: {' and '.join(absent)} could not be run.")
        elif row.goal is not None and not row.goal.is_met(figure):
            found.append(f"{subject}: the goal is missed by {row.goal.distance(figure)}.")
        is_floor = row.goal is not None and row.goal.at_most  # its ratio says already how far away it is
        if better is not None and better < 1 and row.peer is not None and not is_floor:
            found.append(f"{subject}: {row.peer.name} is {_number(1 / better)} times better.")
        if row.note:
            found.append(f"{subject}: {row.note}.")
    return list(dict.fromkeys(found))


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table with the sentences below it."""
    lines = ["| " + " | ".join(line) + " |" for line in (HEADERS, ("---",) * len(HEADERS), *map(cells, rows))]
    remarks = [f"- {sentence}" for sentence in sentences(rows)]
    return "\n".join([*lines, *([""] if remarks else []), *remarks]) + "\n"


def main(measure: Callable[..., list[Row]], rounds: int, **choices: Sequence[str]) -> None:
    """Run one benchmark from the command line and print its table.

    Args:
        rounds: how many, unless told otherwise.
        choices: further arguments of `measure`, each with what it may be, its default first.
    """
    description = sys.modules[measure.__module__].__doc__
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    for name, values in choices.items():
        parser.add_argument(f"--{name}", choices=values, default=values[0])
    options = vars(parser.parse_args())
    file = options.pop("json")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # ends what it started, as Ctrl-C does
    rows = measure(**options)
    print(markdown(rows), end="")
    if file is not None:
        file.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the rounds' ratios, for a busy machine changes less within a round than between two.

    Where one side had more rounds than the other it is the ratio of the medians.
    """
    if len(above) != len(below):
        above, below = [statistics.median(above)], [statistics.median(below)]
    return statistics.median(a / b if b else math.inf for a, b in zip(above, below))


def _ratio_text(row: Row, figure: float) -> str:
    return f"{_number(figure)}x{_of_what(row)}"


def _of_what(row: Row) -> str:
    """Return what a ratio says: ours over the peer's, or how many times less ours is where that is the aim."""
    inverted = not (row.more_is_better or (row.goal is not None and row.goal.at_most))
    return " better" if inverted else " the peer's"


def _side(side: Side, unit: str) -> str:
    """Return a side's median with its spread, the smallest to the largest value."""
    if not side.values:
        return f"{side.name}: not run"
    spread = f" ({_number(min(side.values))}-{_number(max(side.values))})" if len(side.values) > 1 else ""
    return f"{side.name}: {_number(side.median)} {unit}{spread}"


def _number(value: float) -> str:
    """Return three significant digits, all of what stands before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
