"""How far outcomes scatter around what is expected: counting, and what comes on top of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, SingleArray
from pipeline.response.demand import Demand
from pipeline.response.evidence import single

ROBUST_DOF = 6.0  # a day may be odd; how odd before it stops mattering (Lange et al. 1989)
NOISE_FLOOR = 0.02  # relative; no line's days are explained better than that
POOLED_DAYS = 30.0  # days that the portfolio's noise is worth to a line
DRIFT_DAYS = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """How far days lie around what is expected of them.

    Attributes:
        expected: (n_days, n_lines), of outcomes freed of demand, completeness and jumps, > 0.
        unit: (n_lines,), variance over mean of pure counting.
        noise: (n_lines,), relative variance beyond counting.
        demand: (n_days, n_lines), relative variance of what is known of demand.
        robust: (n_days, n_lines), factor on the variance of odd days.
        usable: (n_days, n_lines).
    """

    expected: SingleArray
    unit: FloatArray
    noise: FloatArray
    demand: SingleArray
    robust: SingleArray
    usable: BoolArray

    @classmethod
    def of(
        cls,
        freed: SingleArray,
        scale: SingleArray,
        expected: SingleArray,
        unit: FloatArray,
        demand: Demand,
        usable: BoolArray,
    ) -> Scatter:
        """Return how far outcomes over `scale` lie around what is expected."""
        counting = single(unit) * expected / scale
        robust, noise = cell_noise(freed, expected, counting, demand, usable)
        return cls(
            expected=expected,
            unit=unit,
            noise=noise,
            demand=demand.variance,
            robust=robust,
            usable=usable,
        )

    def variance(self, scale: SingleArray) -> SingleArray:
        """Return the variance of outcomes over `scale`, (n_days, n_lines); inf where there is none.

        Args:
            scale: (n_days, n_lines), what outcomes are freed of. They are counted before that, so
                the more is taken out of a day, the less it scatters by counting.
        """
        out = single(self.noise) + self.demand
        out *= np.square(self.expected)
        out += single(self.unit) * self.expected / scale
        out *= self.robust
        out[~self.usable] = np.inf
        return out


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
    freed: SingleArray,
    expected: SingleArray,
    counting: SingleArray,
    demand: Demand,
    usable: BoolArray,
) -> tuple[SingleArray, FloatArray]:
    """Return robust inflation per cell and each line's relative noise variance beyond counting.

    Args:
        freed: (n_days, n_lines), outcomes freed of demand and completeness.
        expected: (n_days, n_lines), > 0.
        counting: (n_days, n_lines), variance of pure counting.
        demand: with the variance of its own estimate.
        usable: (n_days, n_lines).
    """
    squared = np.square(expected)
    excess = freed - expected
    np.square(excess, out=excess)
    excess -= counting
    excess /= squared
    excess -= demand.variance
    np.clip(excess, -4.0, 4.0, out=excess)
    weight = squared / (counting + np.float32(0.05) * squared)
    weight *= weight
    weight[~usable] = excess[~usable] = 0.0
    own_weight = weight.sum(axis=0, dtype=np.float64)
    own = np.einsum("tl,tl->l", weight, excess).astype(np.float64)
    del excess, weight
    pooled = own.sum() / max(own_weight.sum(), 1e-12)
    strength = POOLED_DAYS * own_weight / np.maximum(usable.sum(axis=0), 1)
    line = (own + strength * pooled) / np.maximum(own_weight + strength, 1e-12)
    line = np.maximum(line, NOISE_FLOOR**2)
    squared *= line.astype(np.float32) + demand.variance
    variance = np.add(counting, squared, out=squared)
    # On the root scale counts are near symmetric, so that a sparse line's good days stay in.
    unit = np.maximum(counting / expected, np.float32(1e-12))
    root = np.maximum(freed, np.float32(0.0)) / unit
    root += np.float32(0.375)
    np.sqrt(root, out=root)
    root -= np.sqrt(expected / unit + np.float32(0.375))
    root *= root
    root *= np.float32(4.0) * counting / variance
    root[~usable] = 0.0
    root += np.float32(ROBUST_DOF)
    root /= np.float32(ROBUST_DOF + 1.0)
    return np.maximum(root, np.float32(1.0), out=root), line


def slow_drift(freed: SingleArray, expected: SingleArray, variance: SingleArray) -> SingleArray:
    """Return how far a line's level was from today's, smoothed over weeks, (n_days, n_lines)."""
    days = np.arange(freed.shape[0], dtype=np.float32)
    kernel = np.exp(-0.5 * np.square((days[:, None] - days) / np.float32(DRIFT_DAYS)))
    weight = expected / variance  # times what is expected once more: 0 where nothing is known
    known = kernel @ (weight * expected)
    weight *= np.where(np.isfinite(variance), freed, np.float32(0.0))
    prior = np.float32(40.0)
    smooth = kernel @ weight
    smooth += prior
    known += prior
    smooth /= known
    return np.asarray(np.clip(smooth, 0.2, 5.0, out=smooth))
