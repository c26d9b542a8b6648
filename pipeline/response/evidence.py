"""How well every combination of the grid explains a line's days, in closed form.

One line's expected outcome, freed of demand, is `level * (1 - share + share * response_t)`:
`level` is today's outcome at the reference spend, `share` the part of it that spend causes. The
level may drift; seen backwards from today it is a random walk that starts at zero, which is what
makes old evidence on the level fade while short-term contrasts still teach the slope.

Given drift, retention, shape and share the model is linear in `level`, so its marginal likelihood
is exact. Mathematics: docs/model.md, "Evidence".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray

DRIFTS = ((1.0, 0.0), (1.0, 0.012), (1.0, 0.04), (0.85, 0.05), (0.85, 0.12))
"""How a line's relative level wanders, candidates: share kept per day, innovation's deviation.

A share of 1 is a random walk: old evidence on the level fades. Below 1 the level comes back: a
shock of its own that lasts about a week, which no other line shows.
"""

SHARES = np.linspace(0.02, 0.98, 13)
"""Share of the outcome at reference spend that spend causes, candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Log marginal likelihood and the level's posterior for every grid node of every line.

    Axes: (n_lines, n_drifts, n_retentions, n_shapes, n_shares).
    """

    log_likelihood: FloatArray
    level_mean: FloatArray
    level_sd: FloatArray


def evaluate(
    outcome: FloatArray,
    variance: FloatArray,
    responses: FloatArray,
    level_guess: FloatArray,
    nuisance: FloatArray,
    *,
    scale_dof: float,
) -> Evidence:
    """Return the evidence on every grid node.

    Args:
        outcome: (n_days, n_lines), freed of demand and completeness, oldest first.
        variance: (n_days, n_lines), of the outcome around its mean; inf leaves the cell out.
        responses: (n_retentions, n_shapes, n_days, n_lines), 1 at the reference spend.
        level_guess: (n_lines,), > 0, what the level roughly is: scales drift and the weak prior.
        nuisance: (n_nuisances, n_days, n_lines), movements that must teach nothing about the
            response; each has a free coefficient, normal with sd `level_guess`.
        scale_dof: how many observations the given variances are worth; the rest is learned from
            the residuals, which makes the likelihood a Student t.
    """
    n_retentions, n_shapes, n_days, n_lines = responses.shape
    kept, innovation = np.asarray(DRIFTS).T[:, :, None]  # (Q, 1) each
    drift_variance = np.square(innovation) * np.square(level_guess)  # (Q, L)
    walks = kept == 1.0
    state_variance = np.where(walks, 0.0, drift_variance / np.where(walks, 1.0, 1 - kept**2))
    known = np.isfinite(variance)
    n_fixed = 2 + nuisance.shape[0]  # constant, outcome, then the nuisances
    fixed = np.concatenate(
        [np.ones((1, n_days, n_lines)), np.where(known, outcome, 0.0)[None], nuisance]
    )
    mean_fixed = np.zeros((n_fixed, len(DRIFTS), n_lines))
    mean_grid = np.zeros((len(DRIFTS), n_retentions, n_shapes, n_lines))
    gram = np.zeros((n_fixed, n_fixed, len(DRIFTS), n_lines))
    cross = np.zeros((n_fixed, *mean_grid.shape))
    square, logdet = np.zeros_like(mean_grid), np.zeros_like(drift_variance)
    for day in range(n_days - 1, -1, -1):
        state_variance = kept**2 * state_variance + drift_variance
        mean_fixed *= kept
        mean_grid *= kept[:, None, None]
        use = known[day]
        total = state_variance + np.where(use, variance[day], 1.0)
        gain = np.where(use, state_variance / total, 0.0)
        weight = np.where(use, 1.0 / total, 0.0)
        error = fixed[:, day, None, :] - mean_fixed
        error_grid = responses[None, :, :, day, :] - mean_grid
        mean_fixed += gain * error
        mean_grid += gain[:, None, None] * error_grid
        state_variance = state_variance * (1 - gain)
        logdet += np.where(use, np.log(total), 0.0)
        gram += (weight * error)[:, None] * error[None]
        weighted = weight[:, None, None] * error_grid
        square += weighted * error_grid
        cross += weighted[None] * error[:, :, None, None]
    logdet += _project_out(gram, cross, square, level_guess)
    count = known.sum(axis=0).astype(float)
    return _over_shares(
        (gram[0, 0], gram[0, 1], gram[1, 1], logdet),
        (cross[0], square, cross[1]),
        count,
        level_guess,
        scale_dof,
    )


def _project_out(
    gram: FloatArray, cross: FloatArray, square: FloatArray, level_guess: FloatArray
) -> FloatArray:
    """Remove the nuisances from the sums in place; return the log determinant that they add.

    Integrating out a normal coefficient of a known regressor is a rank-one correction of every
    inner product (Woodbury); one nuisance after the other.
    """
    added = np.zeros_like(gram[0, 0])
    for c in range(gram.shape[0] - 1, 1, -1):
        scaled = 1.0 + np.square(level_guess) * gram[c, c]
        factor = np.square(level_guess) / scaled
        row, row_grid = gram[:, c].copy(), cross[c].copy()
        square -= factor[:, None, None] * row_grid**2
        cross -= (factor * row)[:, :, None, None] * row_grid[None]
        gram -= factor * row[:, None] * row[None]
        added += np.log(scaled)
    return np.asarray(added)


def _over_shares(
    flat: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    grid: tuple[FloatArray, FloatArray, FloatArray],
    count: FloatArray,
    level_guess: FloatArray,
    scale_dof: float,
) -> Evidence:
    """Return the evidence per share, from the sums that do not depend on it."""
    s11, s1z, szz, logdet = (item[:, None, None, :, None] for item in flat)
    s1h, shh, shz = (item[..., None] for item in grid)
    rest, share = 1 - SHARES, SHARES
    sxx = rest**2 * s11 + 2 * rest * share * s1h + share**2 * shh
    sxz = rest * s1z + share * shz
    guess = level_guess[:, None]
    prior_precision = 1.0 / np.square(0.5 * guess)  # the level is known to within half of itself
    precision = sxx + prior_precision
    mean = (sxz + prior_precision * guess) / precision
    misfit = szz + prior_precision * guess**2 - precision * mean**2
    misfit = np.maximum(misfit, 1e-9)
    dof = scale_dof + count[:, None]
    log_likelihood = -0.5 * (
        dof * np.log((scale_dof + misfit) / scale_dof)
        + logdet
        + np.log(precision / prior_precision)
    )
    spread = np.sqrt((scale_dof + misfit) / dof / precision)

    def lines_first(item: FloatArray) -> FloatArray:
        return np.ascontiguousarray(np.moveaxis(item, 3, 0))

    return Evidence(
        log_likelihood=lines_first(log_likelihood),
        level_mean=lines_first(mean),
        level_sd=lines_first(spread),
    )
