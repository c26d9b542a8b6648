"""From probabilities to tomorrow's shares: sharpened, with an even slice, inside every limit."""

from __future__ import annotations

import numpy as np

from pipeline.core.types import FloatArray

ROUNDING = 1e-12  # of a sum of shares: six sixths may add up to less than 1
UNITS = 10_000  # shares are whole hundredths of a percent


def wanted_shares(best: FloatArray, *, sharpness: float, uniform: float) -> FloatArray:
    """Return shares that follow P(best) to a power, after an even slice was set aside.

    Plain Thompson sampling is power 1; our trials capture more of the gain at 2 to 4. The even
    slice keeps every choice measurable.
    """
    power = (best / best.max()) ** sharpness
    out: FloatArray = uniform / best.size + (1 - uniform) * power / power.sum()
    return out


def project_shares(wanted: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the shares nearest to the wanted ones that add up to 1 inside their limits.

    The nearest point shifts all shares by one number and cuts them at their limits; that number is
    found by bisection. The limits must leave room: low adds up to 1 at most, high to 1 at least.
    """
    below, above = float((low - wanted).min()), float((high - wanted).max())
    for _ in range(100):
        shift = (below + above) / 2
        if np.clip(wanted + shift, low, high).sum() < 1:
            below = shift
        else:
            above = shift
    out = np.clip(wanted + above, low, high)
    free = (out > low) & (out < high)
    if free.any():
        out[free] += (1 - out.sum()) / free.sum()
    return np.clip(out, low, high)


def room(
    current: FloatArray, floor: FloatArray, *, ceiling: float, step: FloatArray
) -> tuple[FloatArray, FloatArray, bool]:
    """Return least and most of every share, and whether the daily step had to give way.

    The ceiling comes before the step and the step before the floor: a share may always come down
    to the ceiling, and where the steps of all leave no split that adds up to 1, they are widened
    together by just enough.
    """
    n = current.size
    ceiling = max(ceiling, 1 / n)
    low = np.minimum(np.maximum(current - step, 0.0), ceiling)
    high = np.minimum(current + step, ceiling)
    low = np.minimum(np.maximum(low, np.minimum(floor, high)), high)
    widened = False
    if high.sum() < 1 - ROUNDING:
        high = high + (1 - high.sum()) * (ceiling - high) / (ceiling - high).sum()
        widened = True
    if low.sum() > 1 + ROUNDING:
        low = low / low.sum()
        widened = True
    return low, high, widened


def whole_shares(shares: FloatArray, high: FloatArray, units: int) -> FloatArray:
    """Return the shares in whole units of 1/`units` that add up to 1, by largest remainder.

    A share goes above its limit only where no other has room.
    """
    whole = np.floor(shares * units + 1e-9)
    for _ in range(round(units - whole.sum())):
        remainder = shares * units - whole
        has_room = whole + 1 <= high * units + 1e-6
        whole[np.where(has_room, remainder, remainder - units).argmax()] += 1
    out: FloatArray = whole / units
    return out
