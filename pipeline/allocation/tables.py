"""Curve families given by knots: straight lines between them, or smooth with a given slope."""

# ruff: noqa: D102  the base class says what every method returns

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.family import Family
from pipeline.core.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Piecewise(Family):
    """Straight lines between knots, flat outside them; any shape.

    Rows may be padded by repeating their last knot.

    Attributes:
        knots: (n, n_knots), ascending.
        values: (n, n_knots).
    """

    knots: FloatArray
    values: FloatArray

    def value(self, spend: FloatArray) -> FloatArray:
        rows, left, right = _segment(self.knots, spend)
        low, high = self.knots[rows, left], self.knots[rows, right]
        width = high - low
        share = np.clip((spend - low) / np.where(width > 0, width, 1.0), 0.0, 1.0)
        return np.asarray((1 - share) * self.values[rows, left] + share * self.values[rows, right])

    def marginal(self, spend: FloatArray) -> FloatArray:
        rows, left, right = _segment(self.knots, spend)
        width = self.knots[rows, right] - self.knots[rows, left]
        rise = self.values[rows, right] - self.values[rows, left]
        inside = (spend >= self.knots[:, 0]) & (spend < self.knots[:, -1]) & (width > 0)
        return np.where(inside, rise / np.where(width > 0, width, 1.0), 0.0)


@dataclass(frozen=True, slots=True)
class Smooth(Family):
    """A concave curve whose marginal return is straight between knots; flat beyond the last.

    Attributes:
        knots: (n, n_knots), ascending, first 0.
        values: (n, n_knots), the integral of the marginals.
        marginals: (n, n_knots), not rising.
    """

    knots: FloatArray
    values: FloatArray
    marginals: FloatArray

    def value(self, spend: FloatArray) -> FloatArray:
        rows, left, _ = _segment(self.knots, spend)
        step = np.minimum(spend, self.knots[:, -1]) - self.knots[rows, left]
        start = self.marginals[rows, left]
        return np.asarray(self.values[rows, left] + step * (start + self._slope(spend)) / 2)

    def marginal(self, spend: FloatArray) -> FloatArray:
        return np.where(spend < self.knots[:, -1], self._slope(spend), 0.0)

    def _slope(self, spend: FloatArray) -> FloatArray:
        rows, left, right = _segment(self.knots, spend)
        low, high = self.knots[rows, left], self.knots[rows, right]
        share = np.clip((spend - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
        return np.asarray(
            (1 - share) * self.marginals[rows, left] + share * self.marginals[rows, right]
        )


def smooth_rows(
    knots: FloatArray, values: FloatArray, slopes: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return knots, values and marginals of the quadratic spline through values and slopes.

    Between two knots one more is set so that the curve meets both values and both slopes; where
    the data are concave and the slopes lie between the neighbouring chords, so is the spline.

    Args:
        knots: (n, n_knots), strictly ascending.
        values: (n, n_knots).
        slopes: (n, n_knots), d value / d spend at the knots.

    Source: Schumaker (1983), "On shape preserving quadratic spline interpolation".
    """
    width = np.diff(knots, axis=1)
    chord = np.diff(values, axis=1) / width
    left, right = slopes[:, :-1], slopes[:, 1:]
    spread = right - left
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(
            np.abs(right - chord) < np.abs(left - chord),
            (right - chord) / spread,
            1 + (left - chord) / spread,
        )
    bent = np.isfinite(share) & ((left - chord) * (right - chord) < 0)
    share = np.clip(np.where(bent, share, 0.5), 1e-6, 1 - 1e-6)
    middle_slope = 2 * chord - share * left - (1 - share) * right
    middle = knots[:, :-1] + share * width
    middle_value = values[:, :-1] + share * width * (left + middle_slope) / 2
    return (
        _woven(knots, middle),
        _woven(values, middle_value),
        _woven(slopes, middle_slope),
    )


def knot_slopes(knots: FloatArray, values: FloatArray) -> FloatArray:
    """Return slopes at the knots that keep concave data concave, (n, n_knots).

    Inside, the mean of the neighbouring chords weighted by the other's width; at the ends the
    chord's own slope continued by half of its bend, kept on the side that the data allow.
    """
    width = np.diff(knots, axis=1)
    chord = np.diff(values, axis=1) / width
    if chord.shape[1] == 1:
        return np.repeat(chord, 2, axis=1)
    inner = (chord[:, :-1] * width[:, 1:] + chord[:, 1:] * width[:, :-1]) / (
        width[:, 1:] + width[:, :-1]
    )
    first = 2 * chord[:, :1] - inner[:, :1]
    last = 2 * chord[:, -1:] - inner[:, -1:]
    last = np.where((chord[:, -1:] >= 0) & (last < 0), 0.0, last)
    return np.concatenate([first, inner, last], axis=1)


def refined(knots: FloatArray, values: FloatArray, marginals: FloatArray, parts: int) -> Piecewise:
    """Return the smooth rows as straight pieces, `parts` to every interval."""
    share = np.linspace(0, 1, parts, endpoint=False)
    width = np.diff(knots, axis=1)[:, :, None]
    bend = np.diff(marginals, axis=1)[:, :, None]
    start = marginals[:, :-1, None]
    x = knots[:, :-1, None] + share * width
    y = values[:, :-1, None] + width * (share * start + share**2 * bend / 2)
    rows = knots.shape[0]
    return Piecewise(
        np.concatenate([x.reshape(rows, -1), knots[:, -1:]], axis=1),
        np.concatenate([y.reshape(rows, -1), values[:, -1:]], axis=1),
    )


def padded(rows: list[FloatArray]) -> FloatArray:
    """Return rows of different lengths as one array, each filled up with its last entry."""
    width = max((row.size for row in rows), default=2)
    out = np.empty((len(rows), width))
    for index, row in enumerate(rows):
        out[index, : row.size] = row
        out[index, row.size :] = row[-1]
    return out


def _segment(knots: FloatArray, spend: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    rows = np.arange(knots.shape[0])
    left = np.clip((knots <= spend[:, None]).sum(axis=1) - 1, 0, knots.shape[1] - 2)
    return rows, left, left + 1


def _woven(outer: FloatArray, inner: FloatArray) -> FloatArray:
    out = np.empty((outer.shape[0], outer.shape[1] + inner.shape[1]))
    out[:, ::2], out[:, 1::2] = outer, inner
    return out
