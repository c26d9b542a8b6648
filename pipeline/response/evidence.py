"""How well every combination of the grid explains a line's days, in closed form.

One line's expected outcome, freed of demand, is `level * (1 - share + share * response_t)`:
`level` is today's outcome at the reference spend, `share` the part of it that spend causes. The
level may drift; seen backwards from today it is a random walk that starts at zero, which is what
makes old evidence on the level fade while short-term contrasts still teach the slope.

Given drift, retention, shape and share the model is linear in `level`, so its marginal likelihood
is exact; the drift is averaged over. Mathematics: docs/model.md, "Evidence".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import BoolArray, FloatArray
from pipeline.response.grid import SHOCK_KEPT, Grid

LEVEL_SD = 0.5  # the level is known to within half of itself before anything is seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Log marginal likelihood and the level's posterior for every grid node of every line.

    Attributes:
        log_likelihood, level_mean, level_sd: (n_lines, n_retentions, n_shapes, n_shares).
        drift: (n_lines, n_drifts), how well each explains the line, summing to 1.
    """

    log_likelihood: FloatArray
    level_mean: FloatArray
    level_sd: FloatArray
    drift: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """Weighted inner products of the fixed regressors and of every response, per drift.

    Attributes:
        fixed: (n_lines, n_drifts, n_fixed, n_fixed), constant, outcome, nuisances.
        cross: (n_lines, n_drifts, n_fixed, n_responses).
        square: (n_lines, n_drifts, n_responses).
        logdet: (n_lines, n_drifts).
    """

    fixed: FloatArray
    cross: FloatArray
    square: FloatArray
    logdet: FloatArray


def evaluate(
    grid: Grid,
    outcome: FloatArray,
    variance: FloatArray,
    responses: FloatArray,
    level_guess: FloatArray,
    nuisance: FloatArray,
    drift_prior: FloatArray,
    *,
    scale_dof: float,
) -> Evidence:
    """Return the evidence on every grid node.

    Args:
        grid: what is tried.
        outcome: (n_days, n_lines), freed of demand and completeness, oldest first.
        variance: (n_days, n_lines), of the outcome around its mean; inf leaves the cell out.
        responses: (n_days, n_retentions * n_shapes, n_lines), 1 at the reference spend.
        level_guess: (n_lines,), > 0, what the level roughly is: scales drift and the weak prior.
        nuisance: (n_nuisances, n_days, n_lines), movements that must teach nothing about the
            response; each has a free coefficient, normal with sd `level_guess`.
        drift_prior: (n_lines, n_drifts), each line's summing to 1.
        scale_dof: how many observations the given variances are worth; the rest is learned from
            the residuals, which makes the likelihood a Student t.
    """
    known = np.isfinite(variance)
    count = known.sum(axis=0).astype(float)
    # In units of the level guess everything is near 1, and so are the sums.
    seen = np.where(known, outcome / level_guess, 0.0)
    noise = np.where(known, variance / np.square(level_guess), 1.0)
    fixed = np.stack([np.ones_like(seen), seen, *nuisance])
    sums = _project_out(_filter(grid, fixed, noise, known, responses))
    return _over_shares(grid, sums, count, level_guess, drift_prior, scale_dof)


def _filter(
    grid: Grid, fixed: FloatArray, noise: FloatArray, known: BoolArray, responses: FloatArray
) -> _Sums:
    """Return the inner products under every drift, by a Kalman filter that starts today.

    The gains do not depend on the series, so responses are only whitened for their own squares;
    their products with the fixed regressors come from whitening those twice.
    """
    n_days, n_responses, n_lines = responses.shape
    gains, weight, logdet = _gains(grid, noise, known)
    square = np.zeros((weight.shape[1], n_responses, n_lines))
    walk, shock = np.zeros_like(square), np.zeros_like(square)
    error, moved = np.empty_like(square), np.empty_like(square)
    walk_fixed = np.zeros((fixed.shape[0], *weight.shape[1:]))
    shock_fixed = np.zeros_like(walk_fixed)
    errors = np.empty((n_days, *walk_fixed.shape))
    for day in range(n_days - 1, -1, -1):
        of_walk, of_shock = gains[:, day]
        shock *= SHOCK_KEPT
        np.subtract(responses[day], walk, out=error)
        error -= shock
        walk += np.multiply(error, of_walk[:, None, :], out=moved)
        shock += np.multiply(error, of_shock[:, None, :], out=moved)
        np.multiply(error, error, out=error)
        error *= weight[day][:, None, :]
        square += error
        shock_fixed *= SHOCK_KEPT
        errors[day] = fixed[:, day, None, :] - walk_fixed - shock_fixed
        walk_fixed += of_walk * errors[day]
        shock_fixed += of_shock * errors[day]
    whitened = _backwards(errors * weight[:, None], gains)
    return _Sums(
        fixed=np.einsum("tfql,tgql->lqfg", errors * weight[:, None], errors),
        cross=np.matmul(
            np.ascontiguousarray(whitened.transpose(3, 2, 1, 0)).reshape(n_lines, -1, n_days),
            np.ascontiguousarray(responses.transpose(2, 0, 1)),
        ).reshape(n_lines, weight.shape[1], fixed.shape[0], n_responses),
        square=np.ascontiguousarray(square.transpose(2, 0, 1)),
        logdet=np.ascontiguousarray(logdet.T),
    )


def _gains(
    grid: Grid, noise: FloatArray, known: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what walk and shock take of a day's error, its weight, and the log determinant.

    Returns:
        (2, n_days, n_drifts, n_lines), (n_days, n_drifts, n_lines), (n_drifts, n_lines).
    """
    walk_step, shock_step = np.square(grid.drifts.T)[:, :, None]
    shape = (noise.shape[0], len(grid.drifts), noise.shape[1])
    walk, both = np.zeros(shape[1:]), np.zeros(shape[1:])
    shock = np.broadcast_to(shock_step / (1 - SHOCK_KEPT**2), shape[1:]).copy()
    gains, weight = np.empty((2, *shape)), np.empty(shape)
    logdet = np.zeros(shape[1:])
    for day in range(shape[0] - 1, -1, -1):
        walk = walk + walk_step
        shock = SHOCK_KEPT**2 * shock + shock_step
        both = SHOCK_KEPT * both
        to_walk, to_shock = walk + both, shock + both
        total = to_walk + to_shock + noise[day]
        use = known[day]
        weight[day] = np.where(use, 1.0 / total, 0.0)
        gains[0, day], gains[1, day] = to_walk * weight[day], to_shock * weight[day]
        logdet += np.where(use, np.log(total), 0.0)
        walk = walk - gains[0, day] * to_walk
        shock = shock - gains[1, day] * to_shock
        both = both - gains[0, day] * to_shock
    return gains, weight, logdet


def _backwards(errors: FloatArray, gains: FloatArray) -> FloatArray:
    """Return the transpose of the filter applied to weighed errors: inverse covariance x series.

    Args:
        errors: (n_days, n_fixed, n_drifts, n_lines), whitened and weighed.
        gains: (2, n_days, n_drifts, n_lines).
    """
    out = np.empty_like(errors)
    walk, shock = np.zeros(errors.shape[1:]), np.zeros(errors.shape[1:])
    for day in range(errors.shape[0]):
        out[day] = errors[day] + gains[0, day] * walk + gains[1, day] * shock
        walk = walk - out[day]
        shock = SHOCK_KEPT * (shock - out[day])
    return out


def _project_out(sums: _Sums) -> _Sums:
    """Return the sums without the nuisances.

    Integrating out a normal coefficient of a known regressor is a rank-one correction of every
    inner product (Woodbury); one nuisance after the other.
    """
    fixed, cross = sums.fixed, sums.cross
    square, logdet = sums.square, sums.logdet
    for c in range(fixed.shape[-1] - 1, 1, -1):
        scaled = 1.0 + fixed[..., c, c]
        row, row_cross = fixed[..., c, :], cross[..., c, :]
        factor = 1.0 / scaled
        square = square - factor[..., None] * row_cross**2
        cross = cross - (factor[..., None] * row)[..., None] * row_cross[..., None, :]
        fixed = fixed - factor[..., None, None] * row[..., :, None] * row[..., None, :]
        logdet = logdet + np.log(scaled)
    return _Sums(fixed=fixed, cross=cross, square=square, logdet=logdet)


def _over_shares(
    grid: Grid,
    sums: _Sums,
    count: FloatArray,
    level_guess: FloatArray,
    drift_prior: FloatArray,
    scale_dof: float,
) -> Evidence:
    """Return the evidence per share, from the sums that do not depend on it, drift averaged."""
    one_one, one_y, y_y = (
        sums.fixed[..., i, j][..., None, None] for i, j in ((0, 0), (0, 1), (1, 1))
    )
    one_h, y_h, h_h = (
        sums.cross[..., 0, :, None],
        sums.cross[..., 1, :, None],
        sums.square[..., None],
    )
    share, rest = grid.shares, 1 - grid.shares
    prior_precision = 1.0 / LEVEL_SD**2
    precision = rest**2 * one_one + 2 * rest * share * one_h + share**2 * h_h + prior_precision
    mean = (rest * one_y + share * y_h + prior_precision) / precision
    misfit = np.maximum(y_y + prior_precision - precision * mean**2, 1e-9)
    dof = scale_dof + count[:, None, None, None]
    fit = -0.5 * (
        dof * np.log1p(misfit / scale_dof)
        + sums.logdet[..., None, None]
        + np.log(precision / prior_precision)
    )
    variance = (scale_dof + misfit) / (dof * precision)
    # Average over drifts: (L, Q, responses, K) -> (L, responses, K).
    fit += np.log(drift_prior)[..., None, None]
    top = fit.max(axis=1)
    weight = np.exp(fit - top[:, None])
    total = weight.sum(axis=1)
    weight /= total[:, None]
    level = (weight * mean).sum(axis=1)
    second = (weight * (variance + mean**2)).sum(axis=1)
    evidence = top + np.log(total)
    n_lines, nodes = fit.shape[0], grid.nodes
    prior = evidence.reshape(n_lines, *nodes) + grid.log_prior()
    node = np.exp(prior - prior.max(axis=(1, 2, 3), keepdims=True)).reshape(total.shape)
    drift = (weight * node[:, None]).sum(axis=(2, 3))
    guess = level_guess[:, None, None]
    return Evidence(
        log_likelihood=evidence.reshape(n_lines, *nodes),
        level_mean=(level * guess).reshape(n_lines, *nodes),
        level_sd=(np.sqrt(np.maximum(second - level**2, 1e-12)) * guess).reshape(n_lines, *nodes),
        drift=drift / drift.sum(axis=1, keepdims=True),
    )
