"""Line charts as inline SVG; colours come from the page's CSS variables, which follow its light or dark theme."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 16, 14, 46
COLOURS = 6
"""How many classes for lines the page has to define: `c0`, `c1` and so on."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line: its name in the legend and its points, in order of x.

    Attributes:
        joined: whether a line runs through the points.
        marked: whether they are shown where a chart shows points.
        labels: what each point is called when it is pointed at.
    """

    name: str
    points: Sequence[Point]
    joined: bool = True
    marked: bool = True
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Axis:
    """One axis: what it shows, from where to where, linear or logarithmic (then `low` is above 0)."""

    label: str
    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, 0 at `low` and 1 at `high`."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Return round values between the ends."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if len(decades) <= 4 else (1,)
            values: Iterable[float] = (step * 10.0**decade for decade in decades for step in steps)
        else:
            step = _round_step((self.high - self.low) / 5)
            first = math.ceil(self.low / step - 1e-9)
            values = ((first + i) * step for i in range(12))
        return [value for value in values if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]


def linear(label: str, values: Iterable[float]) -> Axis:
    """Return an axis from 0 to just above the largest value."""
    return Axis(label, 0.0, max([*values, 0.0]) * 1.05 or 1.0)


def logarithmic(label: str, values: Iterable[float]) -> Axis:
    """Return a logarithmic axis around the values above 0."""
    known = [value for value in values if value > 0] or [1.0]
    return Axis(label, min(known) / 1.1, max(known) * 1.1, log=True)


def line_chart(series: Sequence[Series], x: Axis, y: Axis, *, marks: bool = False) -> str:
    """Return an `<svg>` with axes, grid and lines, and a legend below it where there is more than one line.

    Args:
        marks: show each point.
    """
    lines = [_line(i, entry, x, y, marks=marks) for i, entry in enumerate(series)]
    label = escape(f"{y.label} over {x.label}")
    chart = (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(_grid(x, y))}{''.join(lines)}</svg>"
    )
    return chart + (_legend(series) if len(series) > 1 else "")


def _grid(x: Axis, y: Axis) -> Iterable[str]:
    bottom = _HEIGHT - _BOTTOM
    for value in x.ticks():
        at = _x(x, value)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bottom}"/>'
        yield f'<text x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{_number(value)}</text>'
    for value in y.ticks():
        at = _y(y, value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_number(value)}</text>'
    yield f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield f'<text class="label" x="{middle:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x.label)}</text>'
    turned = f'transform="translate(14 {(_TOP + bottom) / 2:.0f}) rotate(-90)"'
    yield f'<text class="label" {turned} text-anchor="middle">{escape(y.label)}</text>'


def _line(index: int, series: Series, x: Axis, y: Axis, *, marks: bool) -> str:
    places = [(_x(x, a), _y(y, b)) for a, b in series.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    colour = _colour(index)
    title = f"<title>{escape(series.name)}</title>"
    line = f'<polyline class="line {colour}" points="{path}">{title}</polyline>' if series.joined else ""
    if not (marks and series.marked):
        return line
    names = series.labels or [series.name] * len(places)
    return line + "".join(
        f'<circle class="mark {colour}" cx="{a:.1f}" cy="{b:.1f}" r="4"><title>{escape(name)}</title></circle>'
        for (a, b), name in zip(places, names)
    )


def _legend(series: Sequence[Series]) -> str:
    entries = (
        f'<li><span class="key {_colour(i)}{"" if entry.joined else " dot"}"></span>{escape(entry.name)}</li>'
        for i, entry in enumerate(series)
    )
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _colour(index: int) -> str:
    """Return the classes of a line; colours that come round again are dashed."""
    return f"c{index % COLOURS}{' dashed' if index >= COLOURS else ''}"


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (_WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - axis.place(value) * (_HEIGHT - _TOP - _BOTTOM)


def _round_step(step: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
