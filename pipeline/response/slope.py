"""How steep each line is, whatever demand did and however its level wandered."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from pipeline.core.types import FloatArray, RealArray
from pipeline.response.grid import SHOCK_KEPT

FAR = 5.0  # a day counts up to so many standard deviations


def line_slopes(
    outcome: FloatArray,
    expected: FloatArray,
    movement: RealArray,
    relative_variance: FloatArray,
    wander: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return how much steeper each line is than `expected` says, and the variances, (n_lines,).

    Where spend follows demand, a slope that every line shares and demand itself look alike;
    alternating between the two creeps along that ridge. Line and day effects together remove
    demand at once, so that only movements against the day's common one count. Of a budget that
    was moved once and stayed, a line says as much as its wandering level leaves to be said.

    Args:
        outcome, expected, relative_variance: (n_days, n_lines); an infinite variance leaves a
            cell out.
        movement: (n_days, n_lines), log of carried spend over its reference.
        wander: (n_lines, 2), variance of the level's daily step and of its shocks.

    Source: two-way within estimator, Wooldridge (2021), "Two-way fixed effects".
    """
    use = np.isfinite(relative_variance)
    variance = np.where(use, relative_variance, 1.0)
    weight = np.where(use, 1.0 / variance, 0.0)
    ratio = np.where(use, outcome / expected, 1.0)
    ratio /= np.maximum(_dot(weight, ratio, 0) / weight.sum(axis=0).clip(1e-9), 1e-9)
    day = _dot(weight, ratio, 1) / weight.sum(axis=1).clip(1e-9)
    far = FAR * np.sqrt(variance)
    ratio /= np.maximum(day, 1e-3)[:, None]
    ratio -= 1.0
    relative = np.clip(ratio, -far, far, out=ratio)
    x, y = _two_way(movement, weight), _two_way(relative, weight)
    weight *= x
    information = np.maximum(_dot(weight, x, 0), 1e-9)
    spread = _dot(np.square(weight), variance, 0) + _of_wandering(weight, wander)
    return _dot(weight, y, 0) / information, spread / np.square(information)


def _of_wandering(weight: FloatArray, wander: FloatArray) -> FloatArray:
    """Return the variance of each line's weighted sum of its level, (n_lines,).

    The level is a walk that is 0 after the last day, and shocks that fade.
    """
    walked = np.square(np.cumsum(weight, axis=0)).sum(axis=0)
    faded = lfilter([1.0], [1.0, -SHOCK_KEPT], weight, axis=0)
    shocks = 2 * _dot(weight, faded, 0) - np.square(weight).sum(axis=0)
    return np.asarray(wander[:, 0] * walked + wander[:, 1] * np.maximum(shocks, 0.0))


def _two_way(table: RealArray, weight: FloatArray) -> FloatArray:
    """Return the table with weighted line and day means swept out."""
    by_line, by_day = weight.sum(axis=0).clip(1e-9), weight.sum(axis=1).clip(1e-9)
    in_line, in_day = _dot(weight, table, 0), _dot(weight, table, 1)
    day = np.zeros(by_day.shape)
    for _ in range(8):
        line = (in_line - day @ weight) / by_line
        day = (in_day - weight @ line) / by_day
    out = table - line
    out -= day[:, None]
    return np.asarray(out)


def _dot(weight: FloatArray, table: RealArray, axis: int) -> FloatArray:
    """Return weighted sums over days (0) or lines (1)."""
    return np.asarray(np.einsum("tl,tl->l" if axis == 0 else "tl,tl->t", weight, table))
