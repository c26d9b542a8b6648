"""How far outcomes scatter around what is expected: counting, and what comes on top of it."""

from __future__ import annotations

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, RealArray
from pipeline.response.demand import Demand

ROBUST_DOF = 6.0  # a day may be odd; how odd before it stops mattering (Lange et al. 1989)
NOISE_FLOOR = 0.02  # relative; no line's days are explained better than that
POOLED_DAYS = 30.0  # days that the portfolio's noise is worth to a line
DRIFT_DAYS = 12.0


def dispersion(outcome: FloatArray, level: FloatArray) -> FloatArray:
    """Return variance over mean of pure counting, (n_lines,): 1 for whole numbers."""
    whole = np.all(outcome == np.round(outcome), axis=0)
    return np.asarray(np.where(whole, 1.0, np.maximum(0.1 * level, 1e-6)))


def starting_level(outcome: FloatArray, usable: BoolArray) -> FloatArray:
    """Return each line's mean outcome of the last ten weeks, (n_lines,), > 0."""
    recent = slice(-70, None)
    total = (outcome * usable)[recent].sum(axis=0)
    days = usable[recent].sum(axis=0)
    return np.asarray(np.maximum((total + 0.5) / (days + 1.0), 1e-6))


def with_unseen(level: FloatArray, usable: BoolArray, reference: FloatArray) -> FloatArray:
    """Return the levels, (n_lines,): without a day to go by, what others earn for `reference`."""
    seen = usable.any(axis=0)
    if not seen.any():
        return level
    return np.asarray(np.where(seen, level, reference * level[seen].sum() / reference[seen].sum()))


def cell_noise(
    freed: FloatArray,
    expected: RealArray,
    counting: FloatArray,
    demand: Demand,
    usable: BoolArray,
) -> tuple[FloatArray, FloatArray]:
    """Return robust inflation per cell and each line's relative noise variance beyond counting.

    Args:
        freed: (n_days, n_lines), outcomes freed of demand and completeness.
        expected: (n_days, n_lines), > 0.
        counting: (n_days, n_lines), variance of pure counting.
        demand: with the variance of its own estimate.
        usable: (n_days, n_lines).
    """
    squared = np.square(expected)
    excess = (np.square(freed - expected) - counting) / squared - demand.variance
    weight = np.where(usable, np.square(squared / (counting + 0.05 * squared)), 0.0)
    own_weight = weight.sum(axis=0)
    own = (weight * np.clip(np.where(usable, excess, 0.0), -4.0, 4.0)).sum(axis=0)
    del excess, weight
    pooled = own.sum() / max(own_weight.sum(), 1e-12)
    strength = POOLED_DAYS * own_weight / np.maximum(usable.sum(axis=0), 1)
    line = (own + strength * pooled) / np.maximum(own_weight + strength, 1e-12)
    line = np.maximum(line, NOISE_FLOOR**2)
    variance = counting + (line + demand.variance) * squared
    # On the root scale counts are near symmetric, so that a sparse line's good days stay in.
    unit = np.maximum(counting / expected, 1e-12)
    root = 2 * (np.sqrt(np.maximum(freed, 0) / unit + 0.375) - np.sqrt(expected / unit + 0.375))
    standard = np.where(usable, root**2 * counting / variance, 0.0)
    robust = (ROBUST_DOF + standard) / (ROBUST_DOF + 1.0)
    return np.maximum(robust, 1.0), line


def slow_drift(freed: RealArray, expected: RealArray, variance: FloatArray) -> FloatArray:
    """Return how far a line's level was from today's, smoothed over weeks, (n_days, n_lines)."""
    days = np.arange(freed.shape[0])
    kernel = np.exp(-0.5 * np.square((days[:, None] - days) / DRIFT_DAYS))
    weight = expected / variance  # times what is expected once more: 0 where nothing is known
    known = kernel @ (weight * expected)
    weight *= np.where(np.isfinite(variance), freed, 0.0)
    prior = 40.0
    smooth = kernel @ weight
    smooth += prior
    known += prior
    smooth /= known
    return np.asarray(np.clip(smooth, 0.2, 5.0, out=smooth))
