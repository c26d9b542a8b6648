"""One series under every candidate of its noise: all that a sampler needs of the days.

Noise is a wandering part and a white part. Given their mixture, the Kalman filter turns the series
and its regressors into uncorrelated innovations; the regressors with normal coefficients are then
integrated out, and of the days only inner products are left. A sweep of the sampler no longer
costs more for a longer history. Mathematics: docs/model.md, "Measured outcomes".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import BoolArray, FloatArray

NOISES = ((0.0, 0.0), (0.5, 0.7), (0.8, 0.5), (0.8, 0.95), (0.95, 0.5), (0.95, 0.95), (0.99, 0.9))
"""Share kept from one period to the next, and the wandering part's share of the variance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The wandering part at the last period, seen from all periods.

    Attributes:
        mean: (n_noises, n_columns), of every column; that of what is left is the same sum.
        variance: (n_noises,), relative to the noise's.
    """

    mean: FloatArray
    variance: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Inner products after whitening and after the regressors were integrated out, per noise.

    Attributes:
        gram: (n_noises, n_columns, n_columns), of the response columns.
        cross: (n_noises, n_columns), with the outcome.
        square: (n_noises,), of the outcome.
        logdet: (n_noises,), of the covariance that both steps used.
        root: (n_noises, n_wide, n_wide), lower, of the precision, in units of the noise's, of the
            regressors and of what the past is too short to tell.
        explained: (n_noises, n_wide, 1 + n_columns), `root`'s inverse times their products with
            the outcome and every response column.
        state: what the wandering part of each column is believed to be at the end.
        count: observations.
    """

    gram: FloatArray
    cross: FloatArray
    square: FloatArray
    logdet: FloatArray
    root: FloatArray
    explained: FloatArray
    state: State
    count: int


def series_moments(
    outcome: FloatArray,
    known: BoolArray,
    variance: FloatArray,
    regressors: FloatArray,
    prior_sd: FloatArray,
    responses: FloatArray,
    untold: tuple[FloatArray, FloatArray] | None = None,
) -> Moments:
    """Return the moments of one series.

    Args:
        outcome: (n_periods,)
        known: (n_periods,), False leaves the period out.
        variance: (n_periods,), of the noise relative to usual; large for odd periods.
        regressors: (n_periods, n_regressors), with normal coefficients of mean zero.
        prior_sd: (n_regressors,), in units of the noise's deviation.
        responses: (n_periods, n_columns), coefficients are the sampler's.
        untold: further regressors with their `prior_sd` that curves are not learned beside, since
            the past is too short to tell them; what comes may well be due to them.
    """
    more, more_sd = untold or (np.empty((len(outcome), 0)), np.empty(0))
    table = np.column_stack([outcome, regressors, more, responses])
    white, logdet, state = whitened(table, known, variance)
    n_fixed, n_noises, wide_sd = regressors.shape[1], len(NOISES), np.append(prior_sd, more_sd)
    wide_root = np.empty((n_noises, wide_sd.size, wide_sd.size))
    wide_explained = np.empty((n_noises, wide_sd.size, 1 + responses.shape[1]))
    gram = np.empty((len(NOISES), responses.shape[1], responses.shape[1]))
    cross, square = np.empty((len(NOISES), responses.shape[1])), np.empty(len(NOISES))
    for noise in range(len(NOISES)):
        y, wide, free = np.split(white[noise], [1, 1 + wide_sd.size], axis=1)
        wide_root[noise], wide_explained[noise] = _explained(wide, wide_sd, np.hstack([y, free]))
        fixed = wide[:, :n_fixed]
        root, explained = _explained(fixed, prior_sd, np.hstack([y, free]))
        gram[noise] = free.T @ free - explained[:, 1:].T @ explained[:, 1:]
        cross[noise] = free.T @ y[:, 0] - explained[:, 1:].T @ explained[:, 0]
        square[noise] = float(np.sum(y * y) - explained[:, 0] @ explained[:, 0])
        logdet[noise] += 2 * float(np.log(np.diag(root) * prior_sd).sum())
    return Moments(
        gram=gram,
        cross=cross,
        square=square,
        logdet=logdet,
        root=wide_root,
        explained=wide_explained,
        state=state,
        count=int(known.sum()),
    )


def _explained(
    fixed: FloatArray, prior_sd: FloatArray, table: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the root of the regressors' precision, and its inverse times products with a table."""
    root = np.linalg.cholesky(fixed.T @ fixed + np.diag(1 / np.square(prior_sd)))
    return np.asarray(root), np.asarray(np.linalg.solve(root, fixed.T @ table))


def whitened(
    table: FloatArray, known: BoolArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray, State]:
    """Return innovations of every column over their deviation, the log determinant, and the end.

    Args:
        table: (n_periods, n_columns).
        known, variance: (n_periods,).

    Returns:
        (n_noises, n_known, n_columns), (n_noises,), and the wandering part at the last period.
    """
    kept, share = np.asarray(NOISES).T
    state_variance = share.copy()
    mean = np.zeros((kept.size, table.shape[1]))
    logdet = np.zeros(kept.size)
    rows = np.empty((int(known.sum()), kept.size, table.shape[1]))
    row = 0
    for period in range(table.shape[0]):
        if period:
            mean *= kept[:, None]
            state_variance = kept**2 * state_variance + (1 - kept**2) * share
        if not known[period]:
            continue
        total = state_variance + (1 - share) * variance[period] + 1e-9
        error = table[period] - mean
        rows[row] = error / np.sqrt(total)[:, None]
        gain = state_variance / total
        mean += gain[:, None] * error
        state_variance = state_variance * (1 - gain)
        logdet += np.log(total)
        row += 1
    end = State(mean=mean, variance=state_variance)
    return np.ascontiguousarray(np.moveaxis(rows, 1, 0)), logdet, end
