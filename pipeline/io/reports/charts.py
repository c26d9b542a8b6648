"""Geometry of the page's rows: where values lie along a line of a table, as SVG attributes.

Positions are percentages of the row's own width, so that they fit a phone and a sheet of paper
alike. Colours belong to the style sheet. Why no charting library: decision record 0004.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.core.plan import Interval
from pipeline.io.reports.words import compact

TINY = 1e-300  # steps below it have no logarithm


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
class ChangeBar:
    """A change as a bar from the middle of a row: more to the right, less to the left."""

    start: str
    width: str


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


def change_bar(change: float, most: float) -> ChangeBar | None:
    """Return the change's bar, where `most` fills half a row; None where nothing changes."""
    if not (math.isfinite(change) and math.isfinite(most)) or change == 0 or most <= 0:
        return None
    width = 48 * min(abs(change) / most, 1.0)
    return ChangeBar(start=f"{50 if change > 0 else 50 - width:.2f}%", width=f"{width:.2f}%")


def ticks(scale: Scale, wanted: int = 4, times: int = 1) -> list[Tick]:
    """Return round values along a row, said `times` as large: a power of ten."""
    return [
        Tick(at=scale.at(v), label=compact(v * times))
        for v in round_values(scale.low, scale.high, wanted)
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
