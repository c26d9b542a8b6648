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

from pipeline.core.types import BoolArray, FloatArray, RealArray, SingleArray
from pipeline.response.grid import SHOCK_KEPT, Grid

LEVEL_SD = 0.5  # the level is known to within half of itself before anything is seen
SHARED_LINES = 12  # at a time, so that the tables of all nodes and drifts stay in the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Log marginal likelihood and the level's posterior for every grid node of every line.

    Attributes:
        log_likelihood, level_mean, level_sd: (n_lines, n_retentions, n_shapes, n_shares).
        drift: (n_lines, n_drifts), how well each explains the line, summing to 1.
    """

    log_likelihood: SingleArray
    level_mean: SingleArray
    level_sd: SingleArray
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

    fixed: SingleArray
    cross: SingleArray
    square: SingleArray
    logdet: SingleArray


def evaluate(
    grid: Grid,
    outcome: RealArray,
    variance: RealArray,
    responses: SingleArray,
    level_guess: FloatArray,
    nuisance: RealArray,
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
    # In units of the level guess everything is near 1, and so are responses: what is left beside
    # it is small, which is what single precision needs.
    noise = np.where(known, variance / np.square(level_guess), 1.0)
    fixed = np.empty((len(known), 2 + len(nuisance), known.shape[1]), dtype=np.float32)
    fixed[:, 0], fixed[:, 2:] = 1.0, np.swapaxes(nuisance, 0, 1)
    fixed[:, 1] = np.where(known, outcome / level_guess - 1.0, 0.0)
    sums = _filter(grid, fixed, single(noise), known, responses - np.float32(1.0))
    count = known.sum(axis=0).astype(np.float32)
    return _over_shares(
        grid, _project_out(sums), count, level_guess, drift_prior, np.float32(scale_dof)
    )


def _filter(
    grid: Grid,
    fixed: SingleArray,
    noise: SingleArray,
    known: BoolArray,
    responses: SingleArray,
) -> _Sums:
    """Return the inner products under every drift, by a Kalman filter that starts today.

    The gains do not depend on the series, so responses are only whitened for their own squares;
    their products with the fixed regressors come from whitening those twice.
    """
    n_days, n_responses, n_lines = responses.shape
    n_fixed = fixed.shape[1]
    gains, weight, logdet = _gains(grid, noise, known)
    n_drifts, kept = weight.shape[1], weight.dtype.type(SHOCK_KEPT)
    square = np.zeros((n_drifts, n_responses, n_lines), dtype=weight.dtype)
    walk, shock = np.zeros_like(square), np.zeros_like(square)
    error, moved = np.empty_like(square), np.empty_like(square)
    walk_fixed = np.zeros((n_fixed, n_drifts, n_lines), dtype=weight.dtype)
    shock_fixed = np.zeros_like(walk_fixed)
    errors = np.empty((n_days, *walk_fixed.shape), dtype=weight.dtype)
    moved_fixed = np.empty_like(walk_fixed)
    for day in range(n_days - 1, -1, -1):
        of_walk, of_shock = gains[:, day]
        shock *= kept
        np.subtract(responses[day], walk, out=error)
        error -= shock
        walk += np.multiply(error, of_walk[:, None, :], out=moved)
        shock += np.multiply(error, of_shock[:, None, :], out=moved)
        np.multiply(error, error, out=error)
        error *= weight[day][:, None, :]
        square += error
        shock_fixed *= kept
        of_fixed = np.subtract(fixed[day, :, None, :], walk_fixed, out=errors[day])
        of_fixed -= shock_fixed
        walk_fixed += np.multiply(of_fixed, of_walk, out=moved_fixed)
        shock_fixed += np.multiply(of_fixed, of_shock, out=moved_fixed)
        of_fixed *= weight[day]
    twice = _backwards(errors, gains).reshape(n_days, -1, n_lines).transpose(2, 0, 1)
    everything = np.empty((n_lines, n_days, n_fixed + n_responses), dtype=weight.dtype)
    everything[:, :, :n_fixed] = fixed.transpose(2, 0, 1)
    everything[:, :, n_fixed:] = responses.transpose(2, 0, 1)
    products = np.matmul(np.ascontiguousarray(twice).transpose(0, 2, 1), everything)
    products = products.reshape(n_lines, n_fixed, n_drifts, -1).swapaxes(1, 2)
    return _Sums(
        fixed=products[..., :n_fixed],
        cross=products[..., n_fixed:],
        square=np.ascontiguousarray(square.transpose(2, 0, 1)),
        logdet=np.ascontiguousarray(logdet.T),
    )


def _gains(
    grid: Grid, noise: SingleArray, known: BoolArray
) -> tuple[SingleArray, SingleArray, SingleArray]:
    """Return what walk and shock take of a day's error, its weight, and the log determinant.

    Returns:
        (2, n_days, n_drifts, n_lines), (n_days, n_drifts, n_lines), (n_drifts, n_lines).
    """
    steps = np.square(grid.drifts.T)[:, :, None].astype(noise.dtype)
    walk_step, shock_step = steps
    kept = noise.dtype.type(SHOCK_KEPT)
    shape = (noise.shape[0], len(grid.drifts), noise.shape[1])
    walk, both = np.zeros(shape[1:], dtype=noise.dtype), np.zeros(shape[1:], dtype=noise.dtype)
    shock = np.broadcast_to(shock_step / (1 - kept**2), shape[1:]).copy()
    gains, total = np.empty((2, *shape), dtype=noise.dtype), np.empty(shape, dtype=noise.dtype)
    use = known.astype(noise.dtype)[:, None, :]
    for day in range(shape[0] - 1, -1, -1):
        walk += walk_step
        shock *= kept**2
        shock += shock_step
        both *= kept
        to_walk, to_shock = walk + both, shock + both
        np.add(to_walk + to_shock, noise[day], out=total[day])
        weight = use[day] / total[day]
        of_walk = np.multiply(to_walk, weight, out=gains[0, day])
        of_shock = np.multiply(to_shock, weight, out=gains[1, day])
        walk -= of_walk * to_walk
        shock -= of_shock * to_shock
        both -= of_walk * to_shock
    return gains, use / total, (use * np.log(total)).sum(axis=0)


def _backwards(errors: SingleArray, gains: SingleArray) -> SingleArray:
    """Return the transpose of the filter applied to weighed errors: inverse covariance x series.

    Args:
        errors: (n_days, n_fixed, n_drifts, n_lines), whitened and weighed; overwritten.
        gains: (2, n_days, n_drifts, n_lines).
    """
    walk, shock = np.zeros_like(errors[0]), np.zeros_like(errors[0])
    moved, kept = np.empty_like(walk), errors.dtype.type(SHOCK_KEPT)
    for day in range(errors.shape[0]):
        out = errors[day]
        out += np.multiply(gains[0, day], walk, out=moved)
        out += np.multiply(gains[1, day], shock, out=moved)
        walk -= out
        shock -= out
        shock *= kept
    return errors


def _project_out(sums: _Sums) -> _Sums:
    """Return the sums without the nuisances.

    Integrating out normal coefficients `b` of known regressors `Z` takes
    `A'Z (1 + Z'Z)^-1 Z'A` off every inner product `A'A` (Woodbury).
    """
    fixed, cross = sums.fixed, sums.cross
    kept, gone = slice(0, 2), slice(2, None)
    unit = np.eye(fixed.shape[-1] - 2, dtype=fixed.dtype)
    factor = np.linalg.cholesky(unit + fixed[..., gone, gone])
    root = np.linalg.solve(factor, unit)  # the factor is small and well conditioned
    of_fixed = np.matmul(root, fixed[..., gone, kept])
    of_cross = np.matmul(root, cross[..., gone, :])
    back = np.swapaxes(of_fixed, -1, -2)
    return _Sums(
        fixed=fixed[..., kept, kept] - back @ of_fixed,
        cross=cross[..., kept, :] - back @ of_cross,
        square=sums.square - np.square(of_cross).sum(axis=-2),
        logdet=sums.logdet + 2 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1),
    )


def _over_shares(
    grid: Grid,
    sums: _Sums,
    count: SingleArray,
    level_guess: FloatArray,
    drift_prior: FloatArray,
    scale_dof: np.float32,
) -> Evidence:
    """Return the evidence per share, from the sums that do not depend on it, drift averaged."""
    n_lines, nodes = count.size, grid.nodes
    out = np.empty((3, n_lines, nodes[0] * nodes[1], nodes[2]), dtype=np.float32)
    drift = np.empty((n_lines, len(grid.drifts)))
    node_prior = grid.log_prior().reshape(out.shape[2:]).astype(np.float32)
    for first in range(0, n_lines, SHARED_LINES):
        block = slice(first, first + SHARED_LINES)
        fit, more, second = _per_drift(grid, _of(sums, block), count[block], scale_dof)
        fit += np.log(drift_prior[block]).astype(np.float32)[..., None, None]
        # Average over drifts: (L, Q, responses, K) -> (L, responses, K).
        top = fit.max(axis=1)
        fit -= top[:, None]
        weight = np.exp(fit, out=fit)
        total = weight.sum(axis=1)
        weight /= total[:, None]
        evidence, away, spread = out[:, block]
        np.add(top, np.log(total), out=evidence)
        np.einsum("lqhk,lqhk->lhk", weight, more, out=away)
        np.einsum("lqhk,lqhk->lhk", weight, second, out=spread)
        spread -= np.square(away)
        np.sqrt(np.maximum(spread, np.float32(1e-12)), out=spread)
        prior = evidence + node_prior
        node = np.exp(prior - prior.max(axis=(1, 2), keepdims=True))
        drift[block] = np.einsum("lqhk,lhk->lq", weight, node)
    guess = single(level_guess)[:, None, None]
    out[1] += 1
    out[1:] *= guess
    log_likelihood, mean, sd = out.reshape(3, n_lines, *nodes)
    return Evidence(
        log_likelihood=log_likelihood,
        level_mean=mean,
        level_sd=sd,
        drift=drift / drift.sum(axis=1, keepdims=True),
    )


def _per_drift(
    grid: Grid, sums: _Sums, count: SingleArray, scale_dof: np.float32
) -> tuple[SingleArray, SingleArray, SingleArray]:
    """Return the log likelihood, and the level's mean and second moment beside 1, per drift.

    With `h` and `y` counted from 1 and `level = 1 + e`, what is seen is `(1 + s h) + e (1 + s h)`.

    Returns:
        (n_lines, n_drifts, n_responses, n_shares) each.
    """
    one_one, one_y, y_y = (
        sums.fixed[..., i, j][..., None, None] for i, j in ((0, 0), (0, 1), (1, 1))
    )
    one_h, y_h = sums.cross[..., 0, :, None], sums.cross[..., 1, :, None]
    share, prior_precision = single(grid.shares), np.float32(1.0 / LEVEL_SD**2)
    scaled = share * sums.square[..., None]
    precision = scaled + 2 * one_h
    precision *= share
    precision += one_one + prior_precision
    more = (y_h - one_h) - scaled
    more *= share
    more += one_y
    misfit = np.subtract(scaled, 2 * y_h, out=scaled)
    misfit *= share
    misfit += y_y
    second = more.copy()
    more /= precision
    second *= more
    misfit -= second
    np.maximum(misfit, np.float32(1e-9), out=misfit)
    misfit += scale_dof
    dof = scale_dof + count[:, None, None, None]
    np.divide(misfit, dof * precision, out=second)  # the level's variance
    second += np.square(more)
    fit = np.log(misfit, out=misfit)
    fit *= np.float32(-0.5) * dof
    fit -= np.float32(0.5) * np.log(precision, out=precision)
    constant = dof * np.log(scale_dof) - sums.logdet[..., None, None] + np.log(prior_precision)
    fit += np.float32(0.5) * constant
    return fit, more, second


def _of(sums: _Sums, lines: slice) -> _Sums:
    return _Sums(
        fixed=sums.fixed[lines],
        cross=sums.cross[lines],
        square=sums.square[lines],
        logdet=sums.logdet[lines],
    )


def single(table: RealArray) -> SingleArray:
    """Return the table in single precision."""
    return np.asarray(table, dtype=np.float32)
