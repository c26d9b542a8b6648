"""Which concave curve lies over each line's own: a chord that touches, or the hull of its knots."""

from __future__ import annotations

import numpy as np

from pipeline.allocation.envelope import Bent, Chord, Hull, Part, Plain
from pipeline.allocation.family import Family
from pipeline.allocation.tables import Piecewise, Smooth, padded
from pipeline.core.types import BoolArray, FloatArray

_BISECTIONS = 200  # more than a float has bits; the loop ends as soon as nothing moves


def envelope_part(
    family: Family, low: FloatArray, high: FloatArray, gate: FloatArray | None
) -> Part:
    """Return the concave curves of one family on the box.

    Args:
        gate: (n,), least spend when there is any; 0 for none. Where it is above 0, `low` is
            either 0, which is then the only spend below the gate, or at least the gate.
    """
    if gate is None and family.is_concave:
        return Plain(family, low, high)
    gate = np.zeros(low.size) if gate is None else gate
    if isinstance(family, Piecewise):
        return _hulls(family, low, high, gate)
    if isinstance(family, Smooth):
        return _cut(family, low, high)
    start = family.value(low) if low.any() else np.zeros(low.size)  # no spend earns nothing
    touch = _touch(family, low, high, gate, start)
    width = touch - low
    chord = width > 0
    if not chord.any():
        return Plain(family, low, high)
    with np.errstate(invalid="ignore", over="ignore"):
        steep = (family.value(touch) - start) / np.where(chord, width, 1.0)
    return Chord(family, low, touch, high, np.where(chord, steep, np.inf), start)


def _touch(
    family: Family, low: FloatArray, high: FloatArray, gate: FloatArray, start: FloatArray
) -> FloatArray:
    """Return where the tangent from (low, start) meets the tail, by bisection."""
    bend = family.inflection()
    gated = (gate > 0) & (low < gate)
    touch = np.where(gated, np.minimum(gate, high), low)
    search = np.flatnonzero((bend > low) & (high > low))
    if not search.size:
        return touch
    curve = family.take(search)
    a, floor, base = low[search], touch[search], start[search]
    left = np.minimum(np.maximum(bend[search], floor), high[search])
    right = high[search].copy()
    for _ in range(_BISECTIONS):
        middle = left + (right - left) / 2
        if ((middle <= left) | (middle >= right)).all():
            break
        above = curve.marginal(middle) * (middle - a) > curve.value(middle) - base
        left, right = np.where(above, middle, left), np.where(above, right, middle)
    touch[search] = np.maximum(right, floor)
    return touch


def _cut(family: Smooth, low: FloatArray, high: FloatArray) -> Bent:
    last = family.knots[:, -1:]
    knots = np.concatenate([family.knots, last, np.maximum(high[:, None], last)], axis=1)
    marginals = np.concatenate([family.marginals, np.zeros((low.size, 2))], axis=1)
    at_low, at_high = _slope_at(knots, marginals, low), _slope_at(knots, marginals, high)
    clipped = np.clip(knots, low[:, None], high[:, None])
    below, above = knots < low[:, None], knots > high[:, None]
    marginals = np.where(below, at_low[:, None], np.where(above, at_high[:, None], marginals))
    return Bent(family, clipped, marginals)


def _slope_at(knots: FloatArray, marginals: FloatArray, spend: FloatArray) -> FloatArray:
    rows = np.arange(spend.size)
    left = np.clip((knots <= spend[:, None]).sum(axis=1) - 1, 0, knots.shape[1] - 2)
    width = knots[rows, left + 1] - knots[rows, left]
    share = np.clip((spend - knots[rows, left]) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    return np.asarray((1 - share) * marginals[rows, left] + share * marginals[rows, left + 1])


def _hulls(family: Piecewise, low: FloatArray, high: FloatArray, gate: FloatArray) -> Hull:
    knots, values = cut_knots(family, low, high, gate)
    slopes = _slopes(knots, values)
    for row in np.flatnonzero(~_falling(slopes)):
        keep = upper_hull(knots[row], values[row])
        knots[row] = padded([knots[row][keep], knots[row]])[0]
        values[row] = padded([values[row][keep], values[row]])[0]
    return Hull(knots, values, _slopes(knots, values))


def cut_knots(
    family: Piecewise, low: FloatArray, high: FloatArray, gate: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return each row's knots and values inside its box, ends included, padded by repeats."""
    floor = np.where((gate > 0) & (low < gate), np.minimum(gate, high), low)
    inner = np.clip(family.knots, floor[:, None], high[:, None])
    knots = np.concatenate([low[:, None], floor[:, None], inner, high[:, None]], axis=1)
    values = np.stack([family.value(column) for column in knots.T], axis=1)
    return knots, values


def upper_hull(x: FloatArray, y: FloatArray) -> list[int]:
    """Return the indices of the least concave chain above the points; x does not fall."""
    hull: list[int] = []
    for index in range(x.size):
        if hull and x[index] == x[hull[-1]]:
            if y[index] <= y[hull[-1]]:
                continue
            hull.pop()
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (y[b] - y[a]) * (x[index] - x[b]) > (y[index] - y[b]) * (x[b] - x[a]):
                break
            hull.pop()
        hull.append(index)
    return hull


def _slopes(knots: FloatArray, values: FloatArray) -> FloatArray:
    """Return each piece's slope; repeated knots sort to their end, or are NaN in the middle."""
    width = np.diff(knots, axis=1)
    repeated = np.where(knots[:, 1:] <= knots[:, :1], np.inf, np.nan)
    repeated = np.where(knots[:, 1:] >= knots[:, -1:], -np.inf, repeated)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(width > 0, np.diff(values, axis=1) / width, repeated)


def _falling(slopes: FloatArray) -> BoolArray:
    return np.asarray((slopes[:, :-1] >= slopes[:, 1:]).all(axis=1))
