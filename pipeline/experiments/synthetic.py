"""What treated units would have done: a weighted mix of the others that tracked them before.

Weights are not negative and sum to one (Abadie, Diamond and Hainmueller 2010), on outcomes without
each unit's own level; a ridge step then removes what misfit is left (Ben-Michael, Feller and
Rothstein 2021, "The augmented synthetic control method"). With too few units to mix, all get the
same weight, which is the difference in differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray

LEAST_DONORS = 5
SUM_WEIGHT = 100.0  # of the row that asks weights to sum to one, in outcome deviations
RIDGES = (0.1, 1.0, 10.0, 100.0, 1000.0)  # penalties in units of the donors' mean variance
FOLDS = 5
LEAST_LEFT = 1e-6  # of the outcome: a unit that earns nothing any more has lost this much at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What a series would have been: `constant` plus the others by their weights, (n_others,)."""

    constant: float
    weights: FloatArray

    def of(self, others: FloatArray) -> FloatArray:
        """Return the mix on every day, (n_days,)."""
        return np.asarray(self.constant + others @ self.weights)


def mix_of(treated: FloatArray, others: FloatArray, fit: slice) -> Mix:
    """Return the mix of the others that tracked the treated series, learned from some rows only.

    Args:
        treated: (n_days,), mean outcome of the treated units.
        others: (n_days, n_others).
        fit: rows to learn from.
    """
    centre = others[fit].mean(axis=0)
    level = float(treated[fit].mean())
    x, y = others - centre, treated - level
    if others.shape[1] < LEAST_DONORS:
        scale = level / max(float(centre.mean()), 1e-12)
        weights = np.full(centre.size, scale / centre.size)
    else:
        weights = simplex_weights(x[fit], y[fit])
        weights = weights + _ridge(x[fit], y[fit] - x[fit] @ weights)
    return Mix(constant=level - float(centre @ weights), weights=weights)


def log_lift(lift: FloatArray | float) -> FloatArray:
    """Return relative effects in logs, in which chance does not depend on how large they are."""
    return np.asarray(np.log(np.maximum(1 + np.asarray(lift), LEAST_LEFT)))


def simplex_weights(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return weights >= 0 with sum 1 that bring `x @ weights` nearest to `y`."""
    from scipy.optimize import nnls

    scale = max(float(x.std()), 1e-12)
    force = SUM_WEIGHT * np.sqrt(x.shape[0])
    rows = np.vstack([x / scale, np.full(x.shape[1], force)])
    weights, _ = nnls(rows, np.append(y / scale, force))
    return np.asarray(weights / max(float(weights.sum()), 1e-12))


def _ridge(x: FloatArray, rest: FloatArray) -> FloatArray:
    """Return the correction of the weights, its penalty chosen by leaving out blocks of days."""
    base = max(float(np.square(x).sum(axis=0).mean()), 1e-12)
    penalties = base * np.array(RIDGES)
    errors = np.zeros(penalties.size)
    for block in np.array_split(np.arange(x.shape[0]), FOLDS):
        kept = np.setdiff1d(np.arange(x.shape[0]), block)
        misses = rest[block, None] - x[block] @ _solve(x[kept], rest[kept], penalties)
        errors += np.square(misses).sum(axis=0)
    if errors.min() >= float(np.square(rest).sum()):
        return np.zeros(x.shape[1])
    return _solve(x, rest, penalties[[int(np.argmin(errors))]])[:, 0]


def _solve(x: FloatArray, rest: FloatArray, penalties: FloatArray) -> FloatArray:
    """Return the ridge weights of every penalty, (n_others, n_penalties)."""
    left, sizes, right = np.linalg.svd(x, full_matrices=False)
    shrunk = sizes[:, None] / (np.square(sizes)[:, None] + penalties)
    return np.asarray(right.T @ (shrunk * (left.T @ rest)[:, None]))
