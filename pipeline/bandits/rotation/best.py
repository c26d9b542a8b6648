"""How probable it is that a creative is the best of those it stands beside, by quadrature."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from pipeline.core.types import FloatArray

POINTS = 401  # of the grid; a thousandth of P(best) needs about a quarter of them
WIDTH = 6.0  # sds beyond the outermost mean


def probability_best(mean: FloatArray, sd: FloatArray, *, near: float = 0.0) -> FloatArray:
    """Return (n,): P(the choice's log rate is the largest, or within `near` of the largest).

    The integral over its own value of the density times the chance that every other one lies
    below; choices are independent given what was learned.

    Args:
        mean, sd: (n,) of the log rates.
        near: 0.1 asks for the best or a rate of at least 90 % of the best.
    """
    n = mean.size
    if n < 2:
        return np.ones(n)
    slack = -np.log1p(-near)
    low, high = (mean - WIDTH * sd).min(), (mean + WIDTH * sd).max() + slack
    grid = np.linspace(low, high, _points(low, high, sd))
    z = (grid - mean[:, None]) / sd[:, None]
    density = np.exp(-0.5 * z**2) / (sd[:, None] * np.sqrt(2 * np.pi))
    below = np.maximum(ndtr((grid + slack - mean[:, None]) / sd[:, None]), 1e-300)
    log_below = np.log(below)
    others = np.exp(log_below.sum(axis=0) - log_below)
    step = grid[1] - grid[0]
    out: FloatArray = np.clip((density * others).sum(axis=1) * step, 0.0, 1.0)
    return out / out.sum() if near == 0 else out


def _points(low: float, high: float, sd: FloatArray) -> int:
    """Return enough points for the narrowest density, within what a night can afford."""
    return int(np.clip((high - low) / (sd.min() / 4), POINTS, 20_001))
