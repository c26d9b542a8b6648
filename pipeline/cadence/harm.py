"""How many people leave at a dose: hazards per segment, the effect of a touch pooled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray

GROWTH_MEAN, GROWTH_SD = 0.10, 0.07
"""Prior of the log hazard that one more touch a week adds; never below 0. Our judgement."""
SEGMENT_SD = 0.05
"""How far a segment's own effect may lie from the common one."""
BASE_LEAVERS = 2.0
"""Leavers that the common hazard is worth to a segment."""
_GRID = np.linspace(0.0, 0.8, 161)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazards:
    """Joint draws, (n_draws, n_segments): weekly hazard is base * exp(growth * dose)."""

    base: FloatArray
    growth: FloatArray

    def weekly(self, dose: FloatArray) -> FloatArray:
        """Return the chance to leave in a week at one dose per segment, (n_draws, n_segments)."""
        return np.asarray(np.minimum(self.base * np.exp(self.growth * dose), 1.0))

    def chance_of_rise_below(self, rise: float) -> FloatArray:
        """Return P(one more touch raises the rate by less than this share), (n_segments,)."""
        return np.asarray((np.expm1(self.growth) < rise).mean(axis=0))


def learn_hazards(
    weeks: FloatArray, left: FloatArray, rng: np.random.Generator, n_draws: int
) -> Hazards:
    """Return draws of the posterior given the people of the lottery.

    Leavers are Poisson in person-weeks; the base hazard is Gamma around the common one and is
    integrated out, the two effects live on a grid. Exact up to the grid.

    Args:
        weeks: (n_segments, n_doses), person-weeks at risk on the doses 0, 1, 2, ...
        left: of them, who left.

    Source: Gamma-Poisson conjugacy; Gelman and others, Bayesian Data Analysis, chapter 2.
    """
    doses = np.arange(weeks.shape[1], dtype=float)
    pooled = (left.sum() + 0.5) / (weeks.sum() + 100.0)
    rate = BASE_LEAVERS / pooled
    exposure = weeks @ np.exp(np.outer(doses, _GRID))  # (n_segments, n_grid)
    total = left.sum(axis=1, keepdims=True)
    fit = np.outer(left @ doses, _GRID) - (BASE_LEAVERS + total) * np.log(rate + exposure)
    fit = np.exp(fit - fit.max(axis=1, keepdims=True))
    prior = _normal(_GRID, GROWTH_MEAN, GROWTH_SD)
    kernel = _normal(_GRID[None, :], _GRID[:, None], SEGMENT_SD)  # common -> segment
    kernel /= kernel.sum(axis=1, keepdims=True)
    spoken = np.log(np.maximum(fit @ kernel.T, 1e-300)).sum(axis=0)
    common = prior * np.exp(spoken - spoken.max())
    chosen = rng.choice(_GRID.size, size=n_draws, p=common / common.sum())
    base = np.empty((n_draws, len(weeks)))
    growth = np.empty_like(base)
    for row in range(len(weeks)):
        edges = (kernel[chosen] * fit[row]).cumsum(axis=1)
        node = (edges < rng.random((n_draws, 1)) * edges[:, -1:]).sum(axis=1)
        growth[:, row] = _GRID[node]
        shape = BASE_LEAVERS + float(total[row, 0])
        base[:, row] = rng.gamma(shape, 1.0, n_draws) / (rate + exposure[row, node])
    return Hazards(base=base, growth=growth)


def _normal(at: FloatArray, mean: FloatArray | float, spread: float) -> FloatArray:
    return np.asarray(np.exp(-0.5 * np.square((at - mean) / spread)))
