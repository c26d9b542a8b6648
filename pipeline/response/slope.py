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
    ratio /= np.maximum(_dot(weight, ratio, 0) / weight.sum(axis=0).clip(1e-9), 1e-9)
    day = _dot(weight, ratio, 1) / weight.sum(axis=1).clip(1e-9)
    far = 5.0 * np.sqrt(np.where(use, relative_variance, 1.0))
    ratio /= np.maximum(day, 1e-3)[:, None]
    ratio -= 1.0
    relative = np.clip(ratio, -far, far, out=ratio)
    x, y = _two_way(movement, weight), _two_way(relative, weight)
    weighted = weight * x
    information = float(np.vdot(weighted, x))
    slope = float(np.vdot(weighted, y)) / max(information, 1e-9)
    y -= slope * x
    score = _dot(weighted, y, 0)  # clustered by line: residuals persist
    error = float(np.sqrt((score**2).sum())) / max(information, 1e-9)
    return slope, max(error, 1.0 / np.sqrt(max(information, 1e-9)))


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
