"""Geometry of the page's charts: where points lie, as text that SVG attributes take.

Rows use percentages of their own width, so that they fit a phone and a sheet of paper alike.
Colours belong to the style sheet. Why no charting library: decision record 0004.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.plan import Interval
from pipeline.core.types import FloatArray
from pipeline.io.reports.words import compact

if TYPE_CHECKING:
    from pipeline.io.reports.extras import Frontier, LineExtras

WIDTH, HEIGHT = 320, 190  # of a curve's drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 40, 14, 12, 24
POINTS = 33  # a curve is smooth at this many and weighs half a kilobyte
TINY = 1e-300  # steps below it have no logarithm
MOST_MARKS = 120  # of past days under a curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Values from `low` to `high` as percentages of a row, a little inside its edges."""

    low: float
    high: float

    def at(self, value: float) -> str:
        """Return the position of a value, kept inside the row."""
        share = (value - self.low) / (self.high - self.low)
        return f"{2 + 96 * min(max(share, 0.0), 1.0):.2f}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis: position and label."""

    at: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An interval on a row."""

    low: str
    mid: str
    high: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """From one amount to another on a row; `flow` says up, down or flat."""

    start: str
    end: str
    flow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveChart:
    """One line's response: paths and points in a box of WIDTH by HEIGHT.

    `beyond` is where the region starts in which nothing was ever spent, and its width.
    """

    line: str
    band: str
    marks: str
    dots: Sequence[tuple[str, str]]
    now: tuple[str, str]
    then: tuple[str, str]
    beyond: tuple[str, str] | None
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def scale_over(values: Iterable[float | None], *, zero: bool) -> Scale | None:
    """Return a scale that holds every known value, or None where there is none."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known:
        return None
    low, high = min(known), max(known)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high <= low:
        low, high = low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2
    return Scale(low=low, high=high)


def span(interval: Interval | None, scale: Scale | None) -> Span | None:
    """Return the interval's place on the row; None where it is not known."""
    if interval is None or scale is None:
        return None
    parts = (interval.p05, interval.mean, interval.p95)
    if not all(math.isfinite(v) for v in parts):
        return None
    return Span(low=scale.at(parts[0]), mid=scale.at(parts[1]), high=scale.at(parts[2]))


def track(start: float, end: float, scale: Scale | None) -> Track | None:
    """Return the move's place on the row."""
    if scale is None or not (math.isfinite(start) and math.isfinite(end)):
        return None
    flow = "up" if end > start else "down" if end < start else "flat"
    return Track(start=scale.at(start), end=scale.at(end), flow=flow)


def ticks(scale: Scale, wanted: int = 4) -> list[Tick]:
    """Return round values along a row."""
    return [
        Tick(at=scale.at(v), label=compact(v)) for v in round_values(scale.low, scale.high, wanted)
    ]


def round_values(low: float, high: float, wanted: int) -> list[float]:
    """Return up to about `wanted` round numbers inside [low, high]."""
    raw = (high - low) / max(wanted, 1)
    if not raw > TINY:
        return [low]
    size = 10.0 ** math.floor(math.log10(raw))
    step = next((k * size for k in (1, 2, 2.5, 5) if k * size >= raw * 0.999), 10 * size)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def curve_chart(curve: LineExtras, current: float, proposed: float) -> CurveChart:
    """Return the drawing of one response curve around where the money is and goes."""
    seen = [v for v in curve.past_spend if math.isfinite(v)]
    furthest = max(seen, default=0.0)
    wide = max(current, proposed, min(curve.spend[-1], 1.25 * max(current, proposed, furthest)))
    xs = np.linspace(0.0, wide or 1.0, POINTS)
    mean, low, high = (smooth(xs, curve.spend, v) for v in (curve.mean, curve.p05, curve.p95))
    box = _Box(x_high=float(xs[-1]), y_low=min(0.0, float(low.min())), y_high=_top(high))
    beyond = box.x(furthest) if 0 < furthest < xs[-1] else None
    return CurveChart(
        line=_path(box, xs, mean),
        band=_band(box, xs, low, high),
        marks=_marks(box, seen),
        dots=_dots(box, curve),
        now=box.point(current, _value(curve, current)),
        then=box.point(proposed, _value(curve, proposed)),
        beyond=None if beyond is None else (f"{beyond:.1f}", f"{WIDTH - RIGHT - beyond:.1f}"),
        x_ticks=_x_ticks(box),
        y_ticks=_y_ticks(box),
    )


def smooth(xs: FloatArray, knots: Sequence[float], values: Sequence[float]) -> FloatArray:
    """Return a curve through the knots without corners that rises and falls only where they do.

    Outside the knots it stays flat. Source: Fritsch and Carlson 1980, with the slopes of
    Fritsch and Butland 1984 (a weighted harmonic mean of the neighbours).
    """
    x, y = np.asarray(knots), np.asarray(values)
    width, rise = np.diff(x), np.diff(y) / np.diff(x)
    slope = np.concatenate([rise[:1], rise[:-1] * 0, rise[-1:]])
    if rise.size > 1:
        same = rise[:-1] * rise[1:] > 0
        before, after = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
        safe = np.where(same, rise[:-1], 1.0), np.where(same, rise[1:], 1.0)
        with np.errstate(over="ignore"):  # a nearly level neighbour makes the curve level too
            mean = (before + after) / (before / safe[0] + after / safe[1])
        slope[1:-1] = np.where(same, mean, 0.0)
    at = np.clip(xs, x[0], x[-1])
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, width.size - 1)
    t = (at - x[left]) / width[left]
    start, end = y[left], y[left + 1]
    turn_in, turn_out = width[left] * slope[left], width[left] * slope[left + 1]
    return np.asarray(
        (1 + 2 * t) * (1 - t) ** 2 * start
        + t * (1 - t) ** 2 * turn_in
        + t**2 * (3 - 2 * t) * end
        + t**2 * (t - 1) * turn_out
    )


def frontier_chart(frontier: Frontier, budget: float) -> CurveChart:
    """Return the drawing of outcome against budget, marked at the plan's budget."""
    xs, mean, low, high = (
        np.asarray(v) for v in (frontier.budget, frontier.mean, frontier.p05, frontier.p95)
    )
    box = _Box(x_low=float(xs[0]), x_high=float(xs[-1]), y_low=float(low.min()), y_high=_top(high))
    here = box.point(budget, float(np.interp(budget, xs, mean)))
    return CurveChart(
        line=_path(box, xs, mean),
        band=_band(box, xs, low, high),
        marks="",
        dots=(),
        now=here,
        then=here,
        beyond=None,
        x_ticks=_x_ticks(box),
        y_ticks=_y_ticks(box),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    x_high: float
    y_low: float
    y_high: float
    x_low: float = 0.0

    def x(self, value: float) -> float:
        width = self.x_high - self.x_low or 1.0
        return LEFT + (value - self.x_low) / width * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        height = self.y_high - self.y_low or 1.0
        return HEIGHT - BOTTOM - (value - self.y_low) / height * (HEIGHT - TOP - BOTTOM)

    def point(self, x: float, y: float) -> tuple[str, str]:
        return f"{self.x(x):.1f}", f"{self.y(y):.1f}"


def _value(curve: LineExtras, spend: float) -> float:
    return float(smooth(np.array([spend]), curve.spend, curve.mean)[0])


def _top(values: FloatArray) -> float:
    top = float(values.max())
    return top if top > 0 else 1.0


def _path(box: _Box, xs: FloatArray, ys: FloatArray) -> str:
    steps = (f"{box.x(float(x)):.1f} {box.y(float(y)):.1f}" for x, y in zip(xs, ys, strict=True))
    return "M" + "L".join(steps)


def _band(box: _Box, xs: FloatArray, low: FloatArray, high: FloatArray) -> str:
    return f"{_path(box, xs, high)}L{_path(box, xs[::-1], low[::-1])[1:]}Z"


def _x_ticks(box: _Box) -> list[Tick]:
    values = round_values(box.x_low, box.x_high, 4)
    return [Tick(at=f"{box.x(v):.1f}", label=compact(v)) for v in values]


def _y_ticks(box: _Box) -> list[Tick]:
    values = round_values(box.y_low, box.y_high, 3)
    return [Tick(at=f"{box.y(v):.1f}", label=compact(v)) for v in values]


def _marks(box: _Box, seen: Sequence[float]) -> str:
    """Return one short stroke per past day's spend, just above the axis."""
    inside = [v for v in seen[-MOST_MARKS:] if 0 <= v <= box.x_high]
    places = sorted({f"{box.x(v):.0f}" for v in inside}, key=float)
    return "".join(f"M{x} {HEIGHT - BOTTOM}v-6" for x in places)


def _dots(box: _Box, curve: LineExtras) -> list[tuple[str, str]]:
    pairs = zip(curve.points_spend, curve.points_value, strict=True)
    return [
        box.point(x, y)
        for x, y in list(pairs)[-MOST_MARKS:]
        if 0 <= x <= box.x_high and box.y_low <= y <= box.y_high
    ]
