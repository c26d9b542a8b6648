"""Geometry of the page's curves: paths and points in a fixed box, as text that SVG takes.

Colours belong to the style sheet. Why no charting library: decision record 0004.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.io.reports.charts import Tick, round_values
from pipeline.io.reports.words import compact

if TYPE_CHECKING:
    from pipeline.io.reports.extras import Frontier, LineExtras, Pacing

WIDTH, HEIGHT = 320, 190  # of a curve's drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 40, 14, 12, 24
POINTS = 33  # a curve is smooth at this many and weighs half a kilobyte
NEAR = 0.25  # of the drawing's units; a band's corner nearer to its neighbours' line is left out
MOST_MARKS = 120  # of past days under a curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A past week beside a curve: position, and its values for who points at it."""

    x: str
    y: str
    day: date
    spend: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthChart:
    """A month's money against its plan: what was spent, and what the rest would be."""

    plan: str
    spent: str
    forecast: str
    now: tuple[str, str]
    x_range: str
    y_range: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveChart:
    """One line's response: paths and points in a box of WIDTH by HEIGHT.

    `beyond` is where the region starts in which nothing was ever spent, and its width; `x_range`
    and `y_range` are the values at the box's edges, for whoever reads the curve back.
    """

    line: str
    band: str
    marks: str
    dots: Sequence[Dot]
    x_range: str
    y_range: str
    now: tuple[str, str]
    then: tuple[str, str]
    beyond: tuple[str, str] | None
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def curve_chart(curve: LineExtras, current: float, proposed: float) -> CurveChart:
    """Return the drawing of one response curve around where the money is and goes."""
    seen = [v for v in curve.past_spend if math.isfinite(v)]
    furthest = max(seen, default=0.0)
    wide = max(current, proposed, min(curve.spend[-1], 1.25 * max(current, proposed, furthest)))
    xs = np.linspace(0.0, wide or 1.0, POINTS)
    mean, low, high = (smooth(xs, curve.spend, v) for v in (curve.mean, curve.p05, curve.p95))
    least = min(0.0, float(low.min()))
    edge = _top(high, least)
    top = max(edge, min(max(curve.points_value, default=0.0), 1.5 * edge))
    box = _Box(x_high=float(xs[-1]), y_low=least, y_high=top)
    beyond = box.x(furthest) if 0 < furthest < xs[-1] else None
    return CurveChart(
        line=_path(box, xs, mean),
        band=_band(box, xs, low, high),
        marks=_marks(box, seen),
        dots=_dots(box, curve),
        x_range=box.x_range,
        y_range=box.y_range,
        now=box.point(current, _value(curve, current)),
        then=box.point(proposed, _value(curve, proposed)),
        beyond=None if beyond is None else (_short(beyond), _short(WIDTH - RIGHT - beyond)),
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
        x_range=box.x_range,
        y_range=box.y_range,
        now=here,
        then=here,
        beyond=None,
        x_ticks=_x_ticks(box),
        y_ticks=_y_ticks(box),
    )


def month_chart(pacing: Pacing) -> MonthChart | None:
    """Return how far the month's money ran ahead of its plan, day by day; None where unknown.

    Money added up is nearly a straight line whatever happens, so what is drawn is its distance
    from the plan.
    """
    if len(pacing.planned) < 2 or not 0 < pacing.passed <= len(pacing.course):
        return None
    days = np.arange(0, len(pacing.planned) + 1, dtype=float)
    ahead = np.array([0.0, *(np.asarray(pacing.course) - np.asarray(pacing.planned))])
    least = 0.01 * pacing.budget  # smaller deviations stay small to the eye
    box = _Box(
        x_high=float(days[-1]),
        y_low=min(float(ahead.min()), -least),
        y_high=max(float(ahead.max()), least),
    )
    n = pacing.passed + 1
    return MonthChart(
        plan=_path(box, days[[0, -1]], np.zeros(2)),
        spent=_path(box, days[:n], ahead[:n]),
        forecast=_path(box, days[n - 1 :], ahead[n - 1 :]),
        now=box.point(float(pacing.passed), float(ahead[pacing.passed])),
        x_range=box.x_range,
        y_range=box.y_range,
        x_ticks=[Tick(at=_short(box.x(d)), label=f"{d:.0f}") for d in (1, 10, 20, days[-1])],
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

    @property
    def x_range(self) -> str:
        return f"{self.x_low:.6g} {self.x_high:.6g}"

    @property
    def y_range(self) -> str:
        return f"{self.y_low:.6g} {self.y_high:.6g}"

    def point(self, x: float, y: float) -> tuple[str, str]:
        return _short(self.x(x)), _short(self.y(y))


def _value(curve: LineExtras, spend: float) -> float:
    return float(smooth(np.array([spend]), curve.spend, curve.mean)[0])


def _top(values: FloatArray, least: float = 0.0) -> float:
    """Return the drawing's upper end: above a curve that is nowhere positive only a little room."""
    top = float(values.max())
    return top if top > 0 else -0.1 * least or 1.0


def _path(box: _Box, xs: FloatArray, ys: FloatArray) -> str:
    steps = (" ".join(box.point(float(x), float(y))) for x, y in zip(xs, ys, strict=True))
    return "M" + "L".join(steps)


def _short(place: float) -> str:
    """Return a place in the drawing to a tenth of a unit, on as few bytes as that takes."""
    return f"{place:.1f}".removesuffix(".0")


def _band(box: _Box, xs: FloatArray, low: FloatArray, high: FloatArray) -> str:
    """Return both edges with the same corners, those left out that nobody could see."""
    kept = _corners(np.array([[box.y(float(v)) for v in edge] for edge in (low, high)]), xs)
    xs, low, high = xs[kept], low[kept], high[kept]
    return f"{_path(box, xs, high)}L{_path(box, xs[::-1], low[::-1])[1:]}Z"


def _corners(edges: FloatArray, xs: FloatArray) -> list[int]:
    """Return which points to keep so that no edge moves by more than NEAR.

    Source: Douglas and Peucker 1973, the worst edge deciding.
    """
    kept, waiting = {0, xs.size - 1}, [(0, xs.size - 1)]
    while waiting:
        start, end = waiting.pop()
        if end - start < 2:
            continue
        t = (xs[start : end + 1] - xs[start]) / (xs[end] - xs[start])
        straight = edges[:, [start]] * (1 - t) + edges[:, [end]] * t
        off = np.abs(edges[:, start : end + 1] - straight).max(axis=0)
        worst = int(off.argmax())
        if off[worst] > NEAR:
            kept.add(start + worst)
            waiting += [(start, start + worst), (start + worst, end)]
    return sorted(kept)


def _x_ticks(box: _Box) -> list[Tick]:
    values = round_values(box.x_low, box.x_high, 4)
    return [Tick(at=_short(box.x(v)), label=compact(v)) for v in values]


def _y_ticks(box: _Box) -> list[Tick]:
    values = round_values(box.y_low, box.y_high, 4)
    return [Tick(at=_short(box.y(v)), label=compact(v)) for v in values]


def _marks(box: _Box, seen: Sequence[float]) -> str:
    """Return one short stroke per past day's spend, just above the axis."""
    inside = [v for v in seen[-MOST_MARKS:] if 0 <= v <= box.x_high]
    places = sorted({round(box.x(v)) for v in inside})
    strokes = (f"m{x - before} 6v-6" for before, x in pairwise(places))
    return f"M{places[0]} {HEIGHT - BOTTOM}v-6{''.join(strokes)}" if places else ""


def _dots(box: _Box, curve: LineExtras) -> list[Dot]:
    """Return the past weeks that lie inside the drawing."""
    rows = zip(curve.points_spend, curve.points_value, curve.points_day, strict=True)
    out = []
    for x, y, day in rows:
        if 0 <= x <= box.x_high and box.y_low <= y <= box.y_high:
            at = box.point(x, y)
            out.append(Dot(x=at[0], y=at[1], day=day, spend=x, value=y))
    return out
