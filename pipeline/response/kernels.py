"""Covariances of paths over days, and the linear algebra that Gaussian processes need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import cho_solve, lapack, solve_triangular

from pipeline.core.types import BoolArray, FloatArray, IntArray, SingleArray
from pipeline.response.grid import SHOCK_KEPT

SEASON_SD, SEASON_DAYS = 0.2, 25.0
TREND_SD, TREND_DAYS = 0.3, 90.0
WEEKDAY_SD = 0.15
CHANNEL_SEASON_SD, CHANNEL_SEASON_DAYS = 0.04, 30.0
CHANNEL_WEEKDAY_SD = 0.05
"""Of log demand, a priori. What is shared by all is large, what a channel has of its own is not."""

LATE_TOGETHER = 0.8  # a platform that reports late does so for all of its last days

MODES, MODE_ROUNDS = 10, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A block of days with the one after it, and the covariances of paths over them.

    Attributes:
        n: how many, the day after included.
        late: (n, n), of log completeness: days are late together.
        fading: (n, n), of a shock with variance 1.
        shared, channel: (n, n), of season and weekdays, shared by all or a channel's own.
    """

    n: int
    late: FloatArray
    fading: FloatArray
    shared: FloatArray
    channel: FloatArray

    @staticmethod
    def of(weekdays: IntArray, late_variance: FloatArray) -> Days:
        """Return the days with those weekdays, (n,), and variances of completeness, (n - 1,)."""
        late = np.sqrt(np.append(late_variance, 0.0))
        lag = _lag(weekdays.size)
        same = (weekdays[:, None] == weekdays).astype(np.float64)
        return Days(
            n=weekdays.size,
            late=LATE_TOGETHER * np.outer(late, late)
            + (1 - LATE_TOGETHER) * np.diag(np.square(late)),
            fading=SHOCK_KEPT**lag,
            shared=_smooth(lag, SEASON_SD, SEASON_DAYS)
            + _smooth(lag, TREND_SD, TREND_DAYS)
            + WEEKDAY_SD**2 * same,
            channel=_smooth(lag, CHANNEL_SEASON_SD, CHANNEL_SEASON_DAYS)
            + CHANNEL_WEEKDAY_SD**2 * same,
        )


def wandering(n_days: int) -> tuple[FloatArray, FloatArray]:
    """Return covariances of a walk that is 0 today with daily variance 1, and of fading shocks."""
    age = np.arange(n_days - 1, -1, -1.0)
    return np.minimum(age[:, None], age), SHOCK_KEPT ** _lag(n_days)


def _lag(n_days: int) -> FloatArray:
    day = np.arange(float(n_days))
    return np.abs(day[:, None] - day)


def _smooth(lag: FloatArray, sd: float, days: float) -> FloatArray:
    return np.asarray(sd**2 * np.exp(-0.5 * np.square(lag / days)))


def inverse(matrix: FloatArray) -> FloatArray:
    """Return the inverse of a positive definite matrix."""
    # Transposed, which changes nothing, rows are the columns that LAPACK takes without a copy.
    factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=0)
    if failed:
        raise np.linalg.LinAlgError("matrix is not positive definite")
    out, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    np.copyto(out, out.T, where=_above(len(out)))
    return np.asarray(out.T)


def line_precision(
    bends: FloatArray, seen: BoolArray, variance: FloatArray, wander: FloatArray
) -> FloatArray:
    """Return the precision of what a line shows day by day, (n_days, n_days); unseen days are 0.

    Args:
        bends: (n_bends, n_days), what is unknown of its level and slope, each times its sd.
        seen: (n_days,)
        variance: (n_days,), independent from day to day.
        wander: (n_days, n_days), covariance of its level.
    """
    covariance = wander + bends.T @ bends
    covariance[~seen] = covariance[:, ~seen] = 0.0
    covariance.flat[:: len(seen) + 1] += np.where(seen, variance, 1.0)
    out = inverse(covariance)
    out[~seen] = 0.0
    return out


@lru_cache(maxsize=8)
def _above(n: int) -> BoolArray:
    """Return which numbers are above the diagonal, in the order of LAPACK's tables."""
    return np.asfortranarray(~np.tri(n, dtype=bool))


def inverse_roots(matrices: SingleArray) -> tuple[SingleArray, SingleArray]:
    """Return the inverse of every Cholesky factor, (..., n, n), and the log determinants, (...).

    For very many small matrices, all at once: a call of a library for each would take longer.

    Args:
        matrices: (..., n, n), positive definite; others give numbers that are none.
    """
    n = matrices.shape[-1]
    table = np.zeros((n, 2 * n, matrices[..., 0, 0].size), dtype=matrices.dtype)
    table[:, :n] = np.moveaxis(matrices.reshape(-1, n, n), 0, -1)
    table[np.arange(n), n + np.arange(n)] = 1.0
    logdet = np.zeros_like(table[0, 0])
    for j in range(n):  # Gauss: rows below lose what they share with this one
        pivot, rest = table[j, j], slice(j + 1, n + j + 1)
        logdet += np.log(pivot)
        table[j, j:] /= np.sqrt(pivot)
        table[j + 1 :, rest] -= table[j, j + 1 : n, None] * table[j, rest]
    roots = np.ascontiguousarray(np.moveaxis(table[:, n:], -1, 0))
    return roots.reshape(matrices.shape), logdet.reshape(matrices.shape[:-2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A path with its prior integrated out of what is seen of it.

    Attributes:
        precision: (n, n), of the sum of the path and what lies below it: `(K + P^-1)^-1`.
        factor: Cholesky factor of `K^-1 + P`.
    """

    precision: FloatArray
    factor: FloatArray

    def mean(self, weighted: FloatArray) -> FloatArray:
        """Return the path's posterior mean given precision times what is seen, (n,)."""
        return np.asarray(cho_solve((self.factor, True), weighted, check_finite=False))


def fold(prior_precision: FloatArray, precision: FloatArray) -> Folded:
    """Return a path folded away; `precision` may be singular (Woodbury)."""
    factor = np.asarray(np.linalg.cholesky(prior_precision + precision), dtype=np.float64)
    half = solve_triangular(factor, prior_precision, lower=True, check_finite=False)
    return Folded(precision=prior_precision - half.T @ half, factor=factor)


def leading_modes(covariance: FloatArray) -> FloatArray:
    """Return the largest principal components, (MODES, n), each times its standard deviation.

    Subspace iteration from slow cosines, which errors of demand are close to.
    Source: Halko, Martinsson and Tropp (2011), "Finding structure with randomness".
    """
    n = len(covariance)
    day = (np.arange(n) + 0.5) / n
    basis = np.cos(np.pi * np.arange(min(MODES + 6, n)) * day[:, None])
    for _ in range(MODE_ROUNDS):
        basis = _orthonormal(covariance @ basis)
    size, turn = np.linalg.eigh(basis.T @ covariance @ basis)
    kept = slice(-MODES, None)
    return np.asarray((basis @ turn[:, kept] * np.sqrt(np.maximum(size[kept], 0.0))).T)


def _orthonormal(table: FloatArray) -> FloatArray:
    """Return an orthonormal basis of the columns, as `numpy.linalg.qr` does with more checks."""
    reflections, scales, _, _ = lapack.dgeqrf(table)
    basis, _, _ = lapack.dorgqr(reflections, scales, overwrite_a=1)
    return np.asarray(basis)
