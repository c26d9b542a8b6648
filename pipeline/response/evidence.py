"""How well every combination of the grid explains a line's days, in closed form.

One line's expected outcome, freed of demand, is `level * (1 - share + share * response_t)`:
`level` is today's outcome at the reference spend, `share` the part of it that spend causes. The
level may drift; seen backwards from today it is a random walk that starts at zero, which is what
makes old evidence on the level fade while short-term contrasts still teach the slope.

Given drift, retention, shape and share the model is linear in `level`, so its marginal likelihood
is exact; the drift is averaged over. Mathematics: docs/model.md, "Evidence".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray, RealArray, SingleArray
from pipeline.response.grid import Grid
from pipeline.response.kernels import inverse_roots
from pipeline.response.scratch import Scratch
from pipeline.response.whitening import Sums, inner_products

LEVEL_SD = 0.5  # the level is known to within half of itself before anything is seen
SHARED_NUMBERS = 50_000  # nodes x drifts x lines at a time, so that their tables stay in the cache


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


def evaluate(
    grid: Grid,
    outcome: RealArray,
    variance: RealArray,
    write_responses: Callable[[SingleArray], object],
    level_guess: FloatArray,
    nuisance: RealArray,
    drift_prior: FloatArray,
    steps: RealArray,
    *,
    scale_dof: float,
    scratch: Scratch,
) -> Evidence:
    """Return the evidence on every grid node.

    Args:
        grid: what is tried.
        outcome: (n_days, n_lines), freed of demand and completeness, oldest first.
        variance: (n_days, n_lines), of the outcome around its mean; inf leaves the cell out.
        write_responses: fills an array, (n_days, n_retentions * n_shapes, n_lines), with how far
            every response is from 1, which it is at the reference spend.
        level_guess: (n_lines,), > 0, what the level roughly is: scales drift and the weak prior.
        nuisance: (n_nuisances, n_days, n_lines), movements that must teach nothing about the
            response; each has a free coefficient, normal with sd `level_guess`.
        drift_prior: (n_lines, n_drifts), each line's summing to 1.
        steps: (n_days, n_lines), variance of the relative level's step after each day beside its
            drift: a jump whose size is not quite known.
        scale_dof: how many observations the given variances are worth; the rest is learned from
            the residuals, which makes the likelihood a Student t.
        scratch: memory to work in.
    """
    known = np.isfinite(variance)
    # In units of the level guess everything is near 1, and so are responses: what is left beside
    # it is small, which is what single precision needs.
    noise = np.where(known, variance / np.square(level_guess), 1.0)
    n_fixed = 2 + len(nuisance)
    n_series = n_fixed + grid.nodes[0] * grid.nodes[1]
    series = scratch.take("series", (len(known), n_series, known.shape[1]))
    series[:, 0], series[:, 2:n_fixed] = 1.0, np.swapaxes(nuisance, 0, 1)
    series[:, 1] = np.where(known, outcome / level_guess - 1.0, 0.0)
    write_responses(series[:, n_fixed:])
    sums = inner_products(grid, series, n_fixed, single(noise), known, single(steps), scratch)
    count = known.sum(axis=0).astype(np.float32)
    return _over_shares(
        grid, _project_out(sums), count, level_guess, drift_prior, np.float32(scale_dof)
    )


def _project_out(sums: Sums) -> Sums:
    """Return the sums without the nuisances.

    Integrating out normal coefficients `b` of known regressors `Z` takes
    `A'Z (1 + Z'Z)^-1 Z'A` off every inner product `A'A` (Woodbury).
    """
    fixed, cross = sums.fixed, sums.cross
    kept, gone = slice(0, 2), slice(2, None)
    unit = np.eye(fixed.shape[-1] - 2, dtype=fixed.dtype)
    root, logdet = inverse_roots(unit + fixed[..., gone, gone])
    of_fixed = np.matmul(root, fixed[..., gone, kept])
    of_cross = np.matmul(root, cross[..., gone, :])
    back = np.swapaxes(of_fixed, -1, -2)
    return Sums(
        fixed=fixed[..., kept, kept] - back @ of_fixed,
        cross=cross[..., kept, :] - back @ of_cross,
        square=sums.square - np.einsum("...nr,...nr->...r", of_cross, of_cross),
        logdet=sums.logdet + logdet,
    )


def _over_shares(
    grid: Grid,
    sums: Sums,
    count: SingleArray,
    level_guess: FloatArray,
    drift_prior: FloatArray,
    scale_dof: np.float32,
) -> Evidence:
    """Return the evidence per share, from the sums that do not depend on it, drift averaged."""
    n_lines, nodes = count.size, grid.nodes
    n_responses, n_shares = nodes[0] * nodes[1], nodes[2]
    # Responses come last until the end, so that rows are long.
    out = np.empty((3, n_lines, n_shares, n_responses), dtype=np.float32)
    drift = np.empty((n_lines, len(grid.drifts)))
    node_prior = grid.log_prior().reshape(n_responses, n_shares).T.astype(np.float32)
    log_drift = np.log(drift_prior).astype(np.float32)
    size = max(SHARED_NUMBERS // (len(grid.drifts) * n_responses * n_shares), 1)
    for first in range(0, n_lines, size):
        block = slice(first, first + size)
        fit, more, second = _per_drift(
            grid, _of(sums, block), count[block], log_drift[block], scale_dof
        )
        # Average over drifts: (L, Q, K, responses) -> (L, K, responses).
        top = fit.max(axis=1)
        fit -= top[:, None]
        weight = np.exp(fit, out=fit)
        total = weight.sum(axis=1)
        weight /= total[:, None]
        evidence, away, spread = out[:, block]
        np.add(top, np.log(total), out=evidence)
        more *= weight
        more.sum(axis=1, out=away)
        second *= weight
        second.sum(axis=1, out=spread)
        spread -= np.square(away)
        np.sqrt(np.maximum(spread, np.float32(1e-12)), out=spread)
        prior = evidence + node_prior
        node = np.exp(prior - prior.max(axis=(1, 2), keepdims=True))
        flat = weight.reshape(len(node), len(grid.drifts), -1)
        drift[block] = np.matmul(flat, node.reshape(len(node), -1, 1))[..., 0]
    guess = single(level_guess)[:, None, None]
    out[1] += 1
    out[1:] *= guess
    log_likelihood, mean, sd = np.ascontiguousarray(out.swapaxes(2, 3)).reshape(3, n_lines, *nodes)
    return Evidence(
        log_likelihood=log_likelihood,
        level_mean=mean,
        level_sd=sd,
        drift=drift / drift.sum(axis=1, keepdims=True),
    )


def _per_drift(
    grid: Grid, sums: Sums, count: SingleArray, log_drift: SingleArray, scale_dof: np.float32
) -> tuple[SingleArray, SingleArray, SingleArray]:
    """Return the log likelihood, and the level's mean and second moment beside 1, per drift.

    With `h` and `y` counted from 1 and `level = 1 + e`, what is seen is `(1 + s h) + e (1 + s h)`.

    Returns:
        (n_lines, n_drifts, n_shares, n_responses) each.
    """
    one_one, one_y, y_y = (
        sums.fixed[..., i, j][..., None, None] for i, j in ((0, 0), (0, 1), (1, 1))
    )
    one_h, y_h = sums.cross[..., None, 0, :], sums.cross[..., None, 1, :]
    share, prior_precision = single(grid.shares)[:, None], np.float32(1.0 / LEVEL_SD**2)
    scaled = share * sums.square[..., None, :]
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
    np.multiply(precision, dof, out=second)
    np.divide(misfit, second, out=second)  # the level's variance
    second += np.square(more)
    fit = np.log(misfit, out=misfit)
    fit *= -dof
    fit -= np.log(precision, out=precision)
    fit *= np.float32(0.5)
    constant = dof * np.log(scale_dof) - sums.logdet[..., None, None] + np.log(prior_precision)
    fit += np.float32(0.5) * constant + log_drift[..., None, None]
    return fit, more, second


def _of(sums: Sums, lines: slice) -> Sums:
    return Sums(
        fixed=sums.fixed[lines],
        cross=sums.cross[lines],
        square=sums.square[lines],
        logdet=sums.logdet[lines],
    )


def single(table: RealArray) -> SingleArray:
    """Return the table in single precision."""
    return np.asarray(table, dtype=np.float32)
