"""Days on which a line's level jumped for good: found in what curves and demand leave over.

A level that wanders cannot jump. Left to the wandering, one jump makes all of a line's past look
worthless, and one that meets a change of its budget is taken for its response. So every day is
asked what a step there would explain beyond the wandering and whatever slope the line may have.
Sources: de Jong and Penzer (1998), "Diagnosing shocks in time series", for the statistic of all
days from two passes of a filter. Mathematics: docs/model.md, "Evidence".
"""

from __future__ import annotations

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, IntArray, RealArray, SingleArray
from pipeline.response.breaks import Breaks
from pipeline.response.evidence import single
from pipeline.response.grid import SHOCK_KEPT

STEP_SD = 0.5  # of a jump, as a share of today's level
EVIDENCE = 4.5  # log Bayes factor from which a jump is believed
FEWEST_BEFORE, FEWEST_AFTER = 14, 7  # days with an outcome
ODDEST = 3.0  # deviations that one day may speak for a jump with: a few odd days are none
MOST = 3  # jumps of a line
SIZE_ROUNDS = 10  # until odd days weigh on sizes no more than they may
LEAST_LEVEL, MOST_LEVEL = 0.1, 10.0  # of a level before its jumps, over today's
WALK_SD = 0.006  # a level's daily step beside its jumps, at most
REGRESSOR_SD = np.array([0.5, 0.4, 0.2])  # level, slope and bend of a line beside what is believed
BLOCK_LINES = 1_000


def find_breaks(
    away: RealArray, variance: RealArray, movement: RealArray, usable: BoolArray, shock: FloatArray
) -> Breaks:
    """Return the jumps that explain what neither slope nor wandering does.

    Args:
        away: (n_days, n_lines), outcome freed of demand over what is expected, less 1.
        variance: (n_days, n_lines), of `away`, independent from day to day.
        movement: (n_days, n_lines), log of carried spend over its reference.
        usable: (n_days, n_lines), where there is an outcome.
        shock: (n_lines,), variance of a level's own shocks.
    """
    parts = [
        _in_block(
            block.start,
            away[:, block],
            variance[:, block],
            movement[:, block],
            usable[:, block],
            shock[block],
        )
        for block in (slice(at, at + BLOCK_LINES) for at in range(0, shock.size, BLOCK_LINES))
    ]
    found = [row for part in parts for row in part]
    if not found:
        return Breaks.none()
    line, day, ratio, sd = map(np.array, zip(*sorted(found), strict=True))
    return Breaks(line=line, day=day, ratio=ratio, sd=sd)


def _in_block(
    first: int,
    away: RealArray,
    variance: RealArray,
    movement: RealArray,
    usable: BoolArray,
    shock: RealArray,
) -> list[tuple[int, int, float, float]]:
    """Return line, day, ratio and its deviation of the jumps in a block of lines."""
    n_days = len(away)
    series = np.stack([away, np.ones_like(away), movement, np.square(movement)], axis=1)
    series = single(np.where(usable[:, None], series, 0.0))
    noise = single(np.where(usable, variance, 1.0))
    shock = single(shock)
    believed = series.copy()
    believed[:, 0] = np.clip(series[:, 0], -ODDEST * np.sqrt(noise), ODDEST * np.sqrt(noise))
    where = np.zeros((MOST, shock.size), dtype=np.int64)  # 0 for none
    active = np.arange(shock.size)
    for turn in range(MOST):
        loose = np.zeros((n_days, active.size), dtype=np.float32)
        for earlier in where[:turn, active]:
            loose[earlier - 1, np.arange(active.size)] += np.where(earlier > 0, STEP_SD**2, 0.0)
        day, gain = _likeliest(
            believed[..., active], noise[:, active], usable[:, active], shock[active], loose
        )
        is_jump = gain > EVIDENCE
        active, day = active[is_jump], day[is_jump]
        if not active.size:
            break
        where[turn, active] = day
    out = []
    for line in np.flatnonzero(where[0]):
        days = np.sort(where[:, line][where[:, line] > 0])
        out += [
            (first + int(line), *jump)
            for jump in _sizes(
                series[..., line], noise[:, line], usable[:, line], shock[line], days
            )
        ]
    return out


def _likeliest(
    series: RealArray, noise: RealArray, usable: BoolArray, shock: RealArray, loose: RealArray
) -> tuple[IntArray, FloatArray]:
    """Return each line's likeliest day of a jump, and the log Bayes factor for it, (n_lines,)."""
    solved, told = _solve(series, noise, usable, shock, loose)
    products = _products(series, solved)
    inverse = np.linalg.inv(products[:, 1:, 1:] + np.diag(1 / np.square(REGRESSOR_SD)))
    fitted = (inverse @ products[:, 1:, :1])[..., 0].T.astype(told.dtype)
    # Of a step after each day, with every series.
    sums: SingleArray = np.cumsum(solved, axis=0, dtype=np.float32)
    score = sums[:, 0].copy()
    for one, of_one in enumerate(inverse.astype(told.dtype).transpose(1, 2, 0)):
        score -= fitted[one] * sums[:, 1 + one]
        for other, weight in enumerate(of_one):
            told -= weight * sums[:, 1 + one] * sums[:, 1 + other]
    told = np.maximum(told, 1e-12)
    gain = 0.5 * np.square(score) / (told + 1 / STEP_SD**2) - 0.5 * np.log1p(told * STEP_SD**2)
    before = np.cumsum(usable, axis=0)
    far = (before >= FEWEST_BEFORE) & (before[-1] - before >= FEWEST_AFTER)
    gain = np.where(far, gain, -np.inf)
    last = gain.argmax(axis=0)
    return last + 1, gain[last, np.arange(last.size)]


def _products(series: RealArray, solved: RealArray) -> FloatArray:
    """Return every line's inner products over days, (n_lines, n_series, n_series)."""
    n_series, n_lines = series.shape[1:]
    out = np.empty((n_lines, n_series, n_series))
    for one in range(n_series):
        for other in range(one, n_series):
            found = (series[:, one] * solved[:, other]).sum(axis=0, dtype=np.float64)
            out[:, one, other] = out[:, other, one] = found
    return out


def _solve(
    series: RealArray, noise: RealArray, usable: BoolArray, shock: RealArray, loose: RealArray
) -> tuple[RealArray, RealArray]:
    """Return the inverse covariance times each series, and its quadratic form with every step.

    Args:
        series: (n_days, n_series, n_lines).
        loose: (n_days, n_lines), variance of a level's step after each day beside its walk.

    Returns:
        (n_days, n_series, n_lines), (n_days, n_lines).
    """
    n_days, n_lines = noise.shape
    kept, walk = SHOCK_KEPT, WALK_SD**2
    spread = np.zeros((3, n_lines), dtype=noise.dtype)  # of walk, of shock, between the two
    spread[1] = shock
    gains, weight = np.empty((n_days, 2, n_lines), noise.dtype), np.empty_like(noise)
    states = np.zeros((2, *series.shape[1:]), dtype=noise.dtype)
    errors = np.empty_like(series)
    fresh = shock * (1 - kept**2)
    for day in range(n_days - 1, -1, -1):
        spread[1] *= kept**2
        spread[2] *= kept
        spread[0] += walk + loose[day]
        spread[1] += fresh
        to = spread[:2] + spread[2]
        weight[day] = usable[day] / (to[0] + to[1] + noise[day])
        gains[day] = to * weight[day]
        states[1] *= kept
        error = series[day] - states[0] - states[1]
        states += gains[day][:, None] * error
        errors[day] = error * weight[day]
        spread[:2] -= gains[day] * to
        spread[2] -= gains[day, 0] * to[1]
    back, told = np.zeros_like(states), np.empty_like(noise)
    walks = shocks = both = np.zeros(n_lines, dtype=noise.dtype)
    for day in range(n_days):
        of_walk, of_shock = gains[day]
        errors[day] += of_walk * back[0] + of_shock * back[1]
        back -= errors[day]
        back[1] *= kept
        left, other = (
            (1 - of_walk) * walks - of_shock * both,
            (1 - of_walk) * both - of_shock * shocks,
        )
        below, right = (
            (1 - of_shock) * both - of_walk * walks,
            (1 - of_shock) * shocks - of_walk * both,
        )
        told[day] = walks = left - of_walk * left - of_shock * other + weight[day]
        both = kept * (other - of_walk * left - of_shock * other + weight[day])
        shocks = kept**2 * (right - of_walk * below - of_shock * right + weight[day])
    return errors, told


def _sizes(
    series: RealArray, noise: RealArray, usable: BoolArray, shock: float, days: IntArray
) -> list[tuple[int, float, float]]:
    """Return day, ratio and its deviation of one line's jumps, all estimated together.

    No day counts for more than `ODDEST` deviations around what the jumps themselves explain
    (Huber 1964, "Robust estimation of a location parameter", by winsorised residuals).
    """
    n_days = len(series)
    steps = (np.arange(n_days)[:, None] < days) * usable[:, None]
    regressors = np.concatenate([series[:, 1:], steps], axis=1, dtype=np.float64)
    solved, _ = _solve(
        regressors[..., None],
        noise[:, None].astype(np.float64),
        usable[:, None],
        np.array([shock]),
        np.zeros((n_days, 1)),
    )
    weighed = solved[..., 0]
    prior = np.concatenate([1 / np.square(REGRESSOR_SD), np.full(days.size, 1 / STEP_SD**2)])
    covariance = np.linalg.inv(weighed.T @ regressors + np.diag(prior))
    away, far = series[:, 0].astype(np.float64), ODDEST * np.sqrt(noise + shock)
    size = covariance @ (weighed.T @ away)
    for _ in range(SIZE_ROUNDS):
        fitted = regressors @ size
        size = covariance @ (weighed.T @ (fitted + np.clip(away - fitted, -far, far)))
    size = size[len(REGRESSOR_SD) :]
    sd = np.sqrt(np.diag(covariance))[len(REGRESSOR_SD) :]
    before = np.clip(1 + np.cumsum(size[::-1])[::-1], LEAST_LEVEL, MOST_LEVEL)
    after = np.append(before[1:], 1.0)
    return [
        (int(day), float(old / new), float(deviation / new))
        for day, old, new, deviation in zip(days, before, after, sd, strict=True)
    ]
