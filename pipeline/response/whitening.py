"""Inner products of series whose level wanders: a filter for all of a block's lines at once.

Mathematics: docs/model.md, "Evidence".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import BoolArray, SingleArray
from pipeline.response.grid import SHOCK_KEPT, Grid
from pipeline.response.scratch import Scratch

TURNED_LINES = 40  # at a time, whose tables are turned and multiplied while they are in the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
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


def inner_products(
    grid: Grid,
    series: SingleArray,
    n_fixed: int,
    noise: SingleArray,
    known: BoolArray,
    steps: SingleArray,
    scratch: Scratch,
) -> Sums:
    """Return the inner products under every drift, by a Kalman filter that starts today.

    The gains do not depend on the series, so responses are only whitened for their own squares;
    their products with the fixed regressors come from whitening those twice. What differs between
    series is the first axis of all that a day touches: gains are then rows of many numbers.

    Args:
        grid: whose drifts are tried.
        series: (n_days, n_fixed + n_responses, n_lines).
        n_fixed: how many of them are fixed regressors.
        noise: (n_days, n_lines), variance.
        known: (n_days, n_lines), whether there is an outcome.
        steps: (n_days, n_lines), variance of the walk's step after each day beside its drift.
    """
    n_days, n_series, n_lines = series.shape
    gains, weight, logdet = _gains(grid, noise, known, steps, scratch)
    shape, kept = weight.shape[1:], weight.dtype.type(SHOCK_KEPT)
    states = scratch.take("states", (4, n_series, *shape), weight.dtype)
    states[:2] = 0.0
    walk, shock, error, moved = states
    square = scratch.take("square", (n_series - n_fixed, *shape), weight.dtype)
    square[:] = 0.0
    errors = scratch.take("errors", (n_days, n_fixed, *shape), weight.dtype)
    squared = error[n_fixed:]
    for day in range(n_days - 1, -1, -1):
        of_walk, of_shock = gains[day]
        shock *= kept
        np.subtract(series[day, :, None], walk, out=error)
        error -= shock
        walk += np.multiply(error, of_walk, out=moved)
        shock += np.multiply(error, of_shock, out=moved)
        np.multiply(error[:n_fixed], weight[day], out=errors[day])
        squared *= squared
        squared *= weight[day]
        square += squared
    twice = _backwards(errors, gains).reshape(n_days, -1, n_lines)
    products = _products(twice, series, scratch).reshape(n_lines, n_fixed, -1, n_series)
    return Sums(
        fixed=products[..., :n_fixed].swapaxes(1, 2),
        cross=products[..., n_fixed:].swapaxes(1, 2),
        square=np.ascontiguousarray(square.transpose(2, 1, 0)),
        logdet=np.ascontiguousarray(logdet.T),
    )


def _products(left: SingleArray, right: SingleArray, scratch: Scratch) -> SingleArray:
    """Return every line's inner products over days, (n_lines, n_left, n_right).

    Args:
        left, right: (n_days, n_left or n_right, n_lines).
    """
    n_days, n_left, n_lines = left.shape
    n_right = right.shape[1]
    out = scratch.take("products", (n_lines, n_left, n_right), left.dtype)
    for first in range(0, n_lines, TURNED_LINES):
        lines = slice(first, first + TURNED_LINES)
        n = len(out[lines])
        of_left = scratch.take("left", (n, n_days, n_left), left.dtype)
        of_right = scratch.take("right", (n, n_days, n_right), left.dtype)
        of_left[:] = left[:, :, lines].transpose(2, 0, 1)
        of_right[:] = right[:, :, lines].transpose(2, 0, 1)
        np.matmul(of_left.swapaxes(1, 2), of_right, out=out[lines])
    return out


def _gains(
    grid: Grid, noise: SingleArray, known: BoolArray, steps: SingleArray, scratch: Scratch
) -> tuple[SingleArray, SingleArray, SingleArray]:
    """Return what walk and shock take of a day's error, its weight, and the log determinant.

    Returns:
        (n_days, 2, n_drifts, n_lines), (n_days, n_drifts, n_lines), (n_drifts, n_lines).
    """
    shape, kept = (len(grid.drifts), noise.shape[1]), noise.dtype.type(SHOCK_KEPT)
    step = np.zeros((3, shape[0], 1), dtype=noise.dtype)
    step[:2, :, 0] = np.square(grid.drifts.T)
    fade = np.array([1.0, kept**2, kept], dtype=noise.dtype)[:, None, None]
    spread = np.zeros((3, *shape), dtype=noise.dtype)  # of walk, of shock, between the two
    spread[1] = step[1] / (1 - kept**2)
    gains = scratch.take("gains", (noise.shape[0], 2, *shape), noise.dtype)
    total, weight = scratch.take("weights", (2, noise.shape[0], *shape), noise.dtype)
    use = known.astype(noise.dtype)[:, None, :]
    for day in range(noise.shape[0] - 1, -1, -1):
        spread *= fade
        spread += step
        spread[0] += steps[day]
        to = spread[:2] + spread[2]
        np.add(to[0], to[1], out=total[day])
        total[day] += noise[day]
        np.divide(use[day], total[day], out=weight[day])
        of = np.multiply(to, weight[day], out=gains[day])
        spread[:2] -= of * to
        spread[2] -= of[0] * to[1]
    log = np.log(total, out=total)
    log *= use
    return gains, weight, log.sum(axis=0)


def _backwards(errors: SingleArray, gains: SingleArray) -> SingleArray:
    """Return the transpose of the filter applied to weighed errors: inverse covariance x series.

    Args:
        errors: (n_days, n_fixed, n_drifts, n_lines), whitened and weighed; overwritten.
        gains: (n_days, 2, n_drifts, n_lines).
    """
    walk, shock = np.zeros_like(errors[0]), np.zeros_like(errors[0])
    moved, kept = np.empty_like(walk), errors.dtype.type(SHOCK_KEPT)
    for day in range(errors.shape[0]):
        out, (of_walk, of_shock) = errors[day], gains[day]
        out += np.multiply(of_walk, walk, out=moved)
        out += np.multiply(of_shock, shock, out=moved)
        walk -= out
        shock -= out
        shock *= kept
    return errors
