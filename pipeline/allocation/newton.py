"""Newton's step towards a price, in the variable in which demand is straight.

Where demand is `gain * level(price) - base` with a level that all lines share, such as one over the
root of the price for hyperbolas, Newton on the level is exact as long as no line meets a bound.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.core.types import FloatArray

_FARTHEST = 40.0  # of a log price: a step that leads farther was not meant


def next_price(
    price: float, total: float, slope: float, target: float, power: float | None
) -> float:
    """Return the price at which a total should meet its target; NaN where it cannot be told.

    Args:
        slope: d total / d log price.
        power: demand is straight in `price ** power`, or in its log where that is 0; None where
            its log is nearly straight in the log price.
    """
    if not slope < 0 < price:
        return math.nan
    rest, step = (target - total) / slope, math.nan
    if power == 0:
        step = rest
    elif power is not None and power * rest > -1:
        step = math.log1p(power * rest) / power
    elif total > 0 and target > 0:
        step = math.log(target / total) * (total / slope)
    return price * math.exp(min(max(step, -_FARTHEST), _FARTHEST))


def next_prices(
    price: FloatArray,
    total: FloatArray,
    slope: FloatArray,
    target: FloatArray,
    power: float | None,
) -> FloatArray:
    """Return what `next_price` does, for many totals at once."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rest = (target - total) / slope
        step = np.log(target / total) * (total / slope)
        if power == 0:
            step = rest
        elif power is not None:
            step = np.where(power * rest > -1, np.log1p(power * rest) / power, step)
        moved = price * np.exp(np.clip(step, -_FARTHEST, _FARTHEST))
    return np.where((slope < 0) & (price > 0), moved, np.nan)
