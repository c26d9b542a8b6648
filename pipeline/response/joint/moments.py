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
class Moments:
    """Inner products after whitening and after the regressors were integrated out, per noise.

    Attributes:
        gram: (n_noises, n_columns, n_columns), of the response columns.
        cross: (n_noises, n_columns), with the outcome.
        square: (n_noises,), of the outcome.
        logdet: (n_noises,), of the covariance that both steps used.
        count: observations.
    """

    gram: FloatArray
    cross: FloatArray
    square: FloatArray
    logdet: FloatArray
    count: int


def series_moments(
    outcome: FloatArray,
    known: BoolArray,
    variance: FloatArray,
    regressors: FloatArray,
    prior_sd: FloatArray,
    responses: FloatArray,
) -> Moments:
    """Return the moments of one series.

    Args:
        outcome: (n_periods,)
        known: (n_periods,), False leaves the period out.
        variance: (n_periods,), of the noise relative to usual; large for odd periods.
        regressors: (n_periods, n_regressors), with normal coefficients of mean zero.
        prior_sd: (n_regressors,), in units of the noise's deviation.
        responses: (n_periods, n_columns), coefficients are the sampler's.
    """
    table = np.column_stack([outcome, regressors, responses])
    white, logdet = whitened(table, known, variance)
    n_fixed = regressors.shape[1]
    gram = np.empty((len(NOISES), responses.shape[1], responses.shape[1]))
    cross, square = np.empty((len(NOISES), responses.shape[1])), np.empty(len(NOISES))
    for noise in range(len(NOISES)):
        y, fixed, free = np.split(white[noise], [1, 1 + n_fixed], axis=1)
        root = np.linalg.cholesky(fixed.T @ fixed + np.diag(1 / np.square(prior_sd)))
        explained = np.linalg.solve(root, fixed.T @ np.hstack([y, free]))
        gram[noise] = free.T @ free - explained[:, 1:].T @ explained[:, 1:]
        cross[noise] = free.T @ y[:, 0] - explained[:, 1:].T @ explained[:, 0]
        square[noise] = float(np.sum(y * y) - explained[:, 0] @ explained[:, 0])
        logdet[noise] += 2 * float(np.log(np.diag(root) * prior_sd).sum())
    return Moments(gram=gram, cross=cross, square=square, logdet=logdet, count=int(known.sum()))


def whitened(
    table: FloatArray, known: BoolArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return innovations of every column over their deviation, and the log determinant.

    Args:
        table: (n_periods, n_columns).
        known, variance: (n_periods,).

    Returns:
        (n_noises, n_known, n_columns) and (n_noises,).
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
    return np.ascontiguousarray(np.moveaxis(rows, 1, 0)), logdet
