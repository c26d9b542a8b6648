"""What a spend is worth if it is held for a while: now and later, over spending nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.core.types import FloatArray, RealArray, SingleArray
from pipeline.response.curves import Shape

LEFT = 1e-8  # of an effect: less than single precision tells apart
FAR = 1e6  # reference spends: nothing saturates later, and its fourth power is still a number

HOLD_NIGHTS = 14
"""A plan stays until the next signature; a spend is valued as if it stayed a fortnight."""


def held_values(
    spend: FloatArray,
    *,
    carried: FloatArray,
    recent: FloatArray,
    reference: FloatArray,
    retentions: Sequence[float],
    shapes: Sequence[Shape],
    tail_days: int,
) -> SingleArray:
    """Return the value per night of each spend for a coefficient of 1.

    A spend is held `HOLD_NIGHTS` nights from tomorrow's carry-in on, then spend returns to what
    it was; its value is what that earns over spending nothing in those nights, counted until
    `tail_days` after, divided by the nights.

    Args:
        spend: (n_lines, n_knots), >= 0.
        carried: (n_retentions, n_lines), adstock at the end of history.
        recent: (n_lines,), what goes on being spent afterwards.
        reference: (n_lines,), spend at which every shape is 1.

    Returns:
        (n_retentions, n_shapes, n_lines, n_knots); 0 at spend 0, never negative.
    """
    # Single precision: a value is a sum of some dozens of nights, good to seven digits.
    out = np.empty((len(retentions), len(shapes), *spend.shape), dtype=np.float32)
    unit = reference[:, None]
    relative, base = _relative(spend / unit), _relative(recent[:, None] / unit)
    nothing = np.zeros(base.shape, dtype=np.float32)
    at_one = np.array([shape.raw(np.ones(())) for shape in shapes], dtype=np.float32)
    for i, kept in enumerate(np.asarray(retentions, dtype=np.float32)):
        start, tail = _relative(carried[i][:, None] / unit), _tail(float(kept), tail_days)
        state = _nights(start, relative, base, kept, tail)
        idle = _nights(start, nothing, base, kept, tail)
        powers: dict[float, tuple[SingleArray, SingleArray]] = {}
        for j, shape in enumerate(shapes):
            if shape.slope not in powers:
                powers[shape.slope] = state**shape.slope, idle**shape.slope
            more, less = powers[shape.slope]
            earned = shape.of_power(more)
            earned -= shape.of_power(less)
            np.divide(earned.sum(axis=0), HOLD_NIGHTS * at_one[j], out=out[i, j])
    return out


def with_mean(value: RealArray, mean: FloatArray) -> RealArray:
    """Return draws of values with that mean wherever any draw gains, of which none ever falls.

    A few hundred draws miss the mean by a little, which is enough to call a kept guardrail broken.
    What each knot adds is scaled: to move whole values instead would let the draws of a steep curve
    fall, and a line that must gain would seem likely to lose.

    Args:
        value: (n_draws, n_lines, n_knots), ascending from 0.
        mean: (n_lines, n_knots), ascending from 0.
    """
    added, wanted = np.diff(value, axis=2, prepend=0), np.diff(mean, axis=1, prepend=0)
    return _summed(added, wanted)


def widened(value: RealArray, mean: FloatArray, factor: FloatArray) -> RealArray:
    """Return draws that lie further from their mean, which stays; none falls with spend.

    What each knot adds is moved away from its mean by the factor, though never below nothing.

    Args:
        value: (n_draws, n_lines, n_knots), ascending from 0.
        mean: (n_lines, n_knots), of `value`.
        factor: (n_lines,), >= 1.
    """
    added, wanted = np.diff(value, axis=2, prepend=0), np.diff(mean, axis=1, prepend=0)
    added = np.maximum(wanted + factor[:, None] * (added - wanted), 0.0)
    return _summed(added, wanted)


def _summed(added: RealArray, wanted: FloatArray) -> RealArray:
    """Return the sums over knots of what they add, scaled to add what is wanted on average."""
    drawn = added.mean(axis=0)
    added *= np.divide(wanted, drawn, out=np.ones_like(wanted), where=drawn > 0)
    return np.asarray(np.cumsum(added, axis=2))


def _nights(
    start: SingleArray, held: SingleArray, after: SingleArray, kept: np.float32, tail: int
) -> SingleArray:
    """Return the adstock of every night, (n_nights, n_lines, n_knots)."""
    out = np.empty((HOLD_NIGHTS + tail, *held.shape), dtype=np.float32)
    state = start
    for night in range(len(out)):
        state = kept * state + (1 - kept) * (held if night < HOLD_NIGHTS else after)
        out[night] = state
    return out


def _tail(kept: float, most: int) -> int:
    """Return the nights after which nothing of a held spend is left that would be seen."""
    return min(most, math.ceil(math.log(LEFT) / math.log(kept))) if kept > 0 else 0


def _relative(spend: FloatArray) -> SingleArray:
    return np.minimum(spend, FAR).astype(np.float32)
