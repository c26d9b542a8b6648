"""What a spend is worth if it is held for a while: now and later, over spending nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core.types import FloatArray, SingleArray
from pipeline.response.curves import Shape

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
) -> FloatArray:
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
    out = np.zeros((len(retentions), len(shapes), *spend.shape), dtype=np.float32)
    unit = reference[:, None]
    relative, base = _relative(spend / unit), _relative(recent[:, None] / unit)
    for i, kept in enumerate(np.asarray(retentions, dtype=np.float32)):
        idle = _relative(carried[i][:, None] / unit)
        state = np.repeat(idle, spend.shape[1], axis=1)
        for night in range(HOLD_NIGHTS + (tail_days if kept > 0 else 0)):
            held = night < HOLD_NIGHTS
            state = kept * state + (1 - kept) * (relative if held else base)
            idle = kept * idle + (1 - kept) * (0.0 if held else base)
            for j, shape in enumerate(shapes):
                out[i, j] += shape.raw(state) - shape.raw(idle)
    at_one = np.array([shape.raw(np.ones(())) for shape in shapes])
    out /= (HOLD_NIGHTS * at_one[:, None, None]).astype(np.float32)
    return out.astype(np.float64)


def _relative(spend: FloatArray) -> SingleArray:
    return np.minimum(spend, FAR).astype(np.float32)
