"""How steep all lines are on average, whatever demand did and however their levels wandered."""

from __future__ import annotations

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, IntArray, RealArray
from pipeline.response.kernels import inverse, line_precision, wandering

FAR = 5.0  # a day counts up to so many standard deviations
SLOPE_SPREAD = 0.15  # how far lines' elasticities of the whole outcome lie apart
LEVEL_SD = 10.0  # of a relative level: as good as unknown
MOST_LINES, MOST_DAYS = 48, 270
"""Lines that tell most of outcomes, and last days; more add next to nothing."""

RIDGE = 1e-8  # relative; of the days that no line tells of


def mean_slope(
    outcome: FloatArray,
    expected: FloatArray,
    movement: RealArray,
    relative_variance: FloatArray,
    wander: FloatArray,
    own: FloatArray,
) -> tuple[float, float]:
    """Return the mean of the lines' elasticities and what is known of it, in 1 / variance.

    Every line has a level that wanders and a slope of its own around the mean; every day has an
    effect of which nothing is known. Where spend follows demand, a slope that lines share and
    demand look alike, and alternating between the two would creep along that ridge; here both are
    free at once, so only movements against the day's common one count. A line that moved far is
    one line, and what it did to the day's effect is not taken for a slope of the others.

    Args:
        outcome, expected: (n_days, n_lines), the latter at a level that stands still.
        relative_variance: (n_days, n_lines), day by day; inf leaves a cell out.
        movement: (n_days, n_lines), log of carried spend over its reference.
        wander: (n_lines, 2), variance of the level's daily step and of its shocks.
        own: (n_lines,), elasticities that are in `expected`.

    Returns:
        The mean, and its precision: 0 where nothing can be told, as of one line.

    Source: generalised least squares with random slopes, Laird and Ware (1982), "Random-effects
    models for longitudinal data".
    """
    use = np.isfinite(relative_variance)
    variance = np.where(use, relative_variance, 1.0)
    away = _relative(outcome, expected, variance, use)
    lines, days = _told_most(variance, use), slice(-MOST_DAYS, None)
    n = away[days].shape[0]
    walk, shock = wandering(n)
    told = np.zeros((n, n))
    with_x, with_y, information, score = np.zeros(n), np.zeros(n), 0.0, 0.0
    for line in lines.tolist():
        seen, x = use[days, line], movement[days, line].astype(np.float64)
        x = np.where(seen, x - x[seen].mean(), 0.0) if seen.any() else np.zeros(n)
        y = np.where(seen, away[days, line] + own[line] * x, 0.0)
        bends = np.stack([np.full(n, LEVEL_SD), SLOPE_SPREAD * x])
        wandered = wander[line, 0] * walk + wander[line, 1] * shock
        precision = line_precision(bends, seen, variance[days, line], wandered)
        told += precision
        of_x, of_y = precision @ x, precision @ y
        with_x, with_y = with_x + of_x, with_y + of_y
        information += float(x @ of_x)
        score += float(x @ of_y)
    told.flat[:: n + 1] += RIDGE * max(float(np.trace(told)) / n, 1e-9)
    freed = inverse(told) @ with_x  # the days' effects take what all lines have in common
    information -= float(freed @ with_x)
    score -= float(freed @ with_y)
    return (score / information, information) if information > RIDGE else (0.0, 0.0)


def _relative(
    outcome: FloatArray, expected: FloatArray, variance: FloatArray, use: BoolArray
) -> FloatArray:
    """Return outcome over expected less 1, lines and days scaled to 1, (n_days, n_lines)."""
    weight = np.where(use, 1.0 / variance, 0.0)
    ratio = np.where(use, outcome / expected, 1.0)
    ratio /= np.maximum(_mean(weight, ratio, 0), 1e-9)
    ratio /= np.maximum(_mean(weight, ratio, 1), 1e-3)[:, None]
    far = FAR * np.sqrt(variance)
    return np.clip(ratio - 1.0, -far, far)


def _told_most(variance: FloatArray, use: BoolArray) -> IntArray:
    """Return the lines that tell most of outcomes, however they moved, ascending."""
    known = np.where(use, 1.0 / variance, 0.0).sum(axis=0)
    return np.sort(np.argsort(-known, kind="stable")[:MOST_LINES])


def _mean(weight: FloatArray, table: RealArray, axis: int) -> FloatArray:
    """Return weighted means over days (0) or lines (1)."""
    total = np.einsum("tl,tl->l" if axis == 0 else "tl,tl->t", weight, table)
    return np.asarray(total / weight.sum(axis=axis).clip(1e-9))
