"""What the advertiser's reports do to the truth: they come late, fall silent and slip units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, IntArray
from pipeline.simulation.worlds.recipes import Recipe

MAX_AGE = 45
"""Days after which no outcome of a day is still to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Which cells of the reports are wrong, over the world's whole life.

    Attributes:
        silent: (n_days, n_lines), outcomes were never tracked.
        spend_factor, revenue_factor: (n_days, n_lines), 1 or 100.
    """

    silent: BoolArray
    spend_factor: FloatArray
    revenue_factor: FloatArray


def completeness(reported: tuple[float, float, float]) -> FloatArray:
    """Return the share of a day's outcomes that is reported 1, 2, ... `MAX_AGE` days later.

    Args:
        reported: the share after 1, 7 and 21 days; between them the missing part shrinks at an
            even rate, and at `MAX_AGE` nothing is missing.
    """
    ages = np.arange(1, MAX_AGE + 1)
    missing = np.log(np.maximum(1 - np.array(reported), 1e-4))
    rate = (missing[2] - missing[1]) / 14
    logs = np.interp(ages, [1, 7, 21], missing)
    logs[ages > 21] = missing[2] + rate * (ages[ages > 21] - 21)
    share = 1 - np.exp(logs)
    return np.asarray(share / share[-1])


def draw_faults(recipe: Recipe, n_days: int, n_lines: int, rng: np.random.Generator) -> Faults:
    """Return where a world's reports will be wrong."""
    silent = np.zeros((n_days, n_lines), dtype=bool)
    for _ in range(rng.poisson(recipe.outages * n_days / 100)):
        start, length = rng.integers(10, n_days), rng.integers(1, 4)
        silent[start : start + length] = True
    for line in range(n_lines):
        for _ in range(rng.poisson(recipe.line_outages * n_days / 100)):
            start, length = rng.integers(10, n_days), rng.integers(3, 11)
            silent[start : start + length, line] = True
    factors = np.ones((2, n_days, n_lines))
    for _ in range(rng.poisson(recipe.unit_errors * n_days / 100)):
        factors[rng.integers(0, 2), rng.integers(0, n_days), rng.integers(0, n_lines)] = 100.0
    return Faults(silent=silent, spend_factor=factors[0], revenue_factor=factors[1])


def arrivals(
    conversions: IntArray, share_by_age: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return how many of each line's conversions arrive at each age, (n_lines, MAX_AGE)."""
    chances = np.diff(share_by_age, prepend=0.0)
    return rng.multinomial(conversions, chances / chances.sum()).astype(np.float64)


def order_revenue(
    arrived: FloatArray, order_value: FloatArray, order_cv: float, rng: np.random.Generator
) -> FloatArray:
    """Return the revenue of those arrivals; an order's value is gamma distributed."""
    shape = 1 / order_cv**2
    return np.asarray(rng.standard_gamma(arrived * shape) / shape * order_value[:, None])


def poisson_from(uniform: FloatArray, mean: FloatArray) -> IntArray:
    """Return Poisson counts by inversion: the same uniform gives more when the mean is larger."""
    from scipy.special import pdtr, pdtrik

    upper = np.ceil(np.nan_to_num(pdtrik(uniform, np.maximum(mean, 1e-9))))
    lower = np.maximum(upper - 1, 0)
    counts = np.where(pdtr(lower, mean) >= uniform, lower, upper)
    return np.asarray(counts, dtype=np.int64)
