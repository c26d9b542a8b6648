"""How steep all lines are together, whatever demand did."""

from __future__ import annotations

import numpy as np

from pipeline.core.types import FloatArray, RealArray


def shared_slope(
    outcome: FloatArray,
    expected: FloatArray,
    movement: RealArray,
    relative_variance: FloatArray,
) -> tuple[float, float]:
    """Return how much steeper all lines are than `expected` says, and its standard error.

    Where spend follows demand, a slope that every line shares and demand itself look alike;
    alternating between the two creeps along that ridge. Line and day effects together remove
    demand at once, so that only movements against the day's common one count.

    Args:
        outcome, expected, relative_variance: as in `estimate_demand`.
        movement: (n_days, n_lines), log of carried spend over its reference.

    Source: two-way within estimator, Wooldridge (2021), "Two-way fixed effects".
    """
    use = np.isfinite(relative_variance)
    weight = np.where(use, 1.0 / np.where(use, relative_variance, 1.0), 0.0)
    ratio = np.where(use, outcome / expected, 1.0)
    ratio = ratio / np.maximum((weight * ratio).sum(axis=0) / weight.sum(axis=0).clip(1e-9), 1e-9)
    day = (weight * ratio).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True).clip(1e-9)
    far = 5.0 * np.sqrt(np.where(use, relative_variance, 1.0))
    relative = np.clip(ratio / np.maximum(day, 1e-3) - 1.0, -far, far)
    x, y = _two_way(movement, weight), _two_way(relative, weight)
    information = float((weight * x * x).sum())
    slope = float((weight * x * y).sum()) / max(information, 1e-9)
    rest = y - slope * x
    score = (weight * x * rest).sum(axis=0)  # clustered by line: residuals persist
    error = float(np.sqrt((score**2).sum())) / max(information, 1e-9)
    return slope, max(error, 1.0 / np.sqrt(max(information, 1e-9)))


def _two_way(table: RealArray, weight: FloatArray) -> RealArray:
    """Return the table with weighted line and day means swept out."""
    for _ in range(8):
        table = table - (weight * table).sum(axis=0) / weight.sum(axis=0).clip(1e-9)
        table = table - (weight * table).sum(axis=1, keepdims=True) / weight.sum(
            axis=1, keepdims=True
        ).clip(1e-9)
    return table
