"""How much demand of each kind there is: from how lines move together.

Two lines share nothing but demand: the products of their deviations, on a day and from one day to
the next, tell the variance of what all lines share, and of what lines of a channel share beyond
that, whatever noise each line has of its own. Mathematics: docs/model.md, "Demand".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray, IntArray
from pipeline.response.grid import SHOCK_KEPT

TREND_DAYS = 14.0  # slower movements are season, and taken out before
USUAL = (0.08**2, 0.04**2, 0.04**2)
"""Variance of shocks that all lines share, of a channel's own, and of single days."""

DOUBT = 2.0  # a variance may be off the usual one by so many times itself
LEAST, MOST = 0.01**2, 0.4**2
FEWEST_DAYS = 14
FAR = 4.0  # deviations count up to so many standard deviations
DAY_DOF = 4.0  # a single day may be far out: a sale, a holiday (Lange et al. 1989)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """Variances of log demand.

    Attributes:
        shock: of shocks that all lines share and that fade.
        channel: of a channel's own shocks.
        day: (n_days,), of what happens on that day only.
    """

    shock: float
    channel: float
    day: FloatArray


def learn_scales(
    log: FloatArray, variance: FloatArray, groups: IntArray, weekdays: IntArray
) -> Scales:
    """Return the variances of demand that lines show together.

    Args:
        log, variance: (n_days, n_lines), of outcome over expected; an infinite variance leaves a
            cell out.
        groups: (n_lines,), 0-based channel.
        weekdays: (n_days,).
    """
    if weekdays.size < FEWEST_DAYS:
        return Scales(shock=USUAL[0], channel=USUAL[1], day=np.full(weekdays.size, USUAL[2]))
    use = np.isfinite(variance)
    spread = np.where(use, variance, 1.0) + USUAL[0] + USUAL[1]
    weight = np.where(use, 1.0 / spread, 0.0)
    sweep = _sweeper(weekdays)
    level = (weight * log).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
    far = FAR * np.sqrt(spread)
    rest = np.clip(sweep @ np.where(use, log - level, 0.0), -far, far)
    noise = float(np.square(np.median(spread[use]))) if use.any() else 1.0
    across, within = _pairs(weight, rest, groups)
    shock, channel, day = USUAL
    if across is None:  # one channel: what its lines share is shared by all
        across, within = within, None
    response = _responses(sweep)
    if across is not None:
        found = np.linalg.solve(response, across.products)
        shock = _towards(USUAL[0], found[0], noise / across.count)
        day = _towards(USUAL[2], found[1], noise / across.count)
    if across is not None and within is not None:
        fading, apart = response[:, 0], within.products - across.products
        error = noise / within.count + noise / across.count
        channel = _towards(USUAL[1], float(fading @ apart / (fading @ fading)), error)
    total = np.maximum(weight.sum(axis=1), 1e-9)
    mean = (weight * rest).sum(axis=1) / total
    single = np.maximum(np.square(mean) - 1.0 / total - shock, 0.0)
    return Scales(
        shock=shock, channel=channel, day=np.asarray((DAY_DOF * day + single) / (DAY_DOF + 1))
    )


def _towards(usual: float, found: float, error: float) -> float:
    """Return a variance between the usual and the found one, by how far either may be off."""
    prior = (DOUBT * usual) ** 2
    shrunk = (error * usual + prior * found) / (error + prior)
    return float(np.clip(shrunk, LEAST, MOST))


def _sweeper(weekdays: IntArray) -> FloatArray:
    """Return the matrix that takes weekdays and slow movements out of a series."""
    day = np.arange(float(weekdays.size))
    kernel = np.exp(-0.5 * np.square((day[:, None] - day) / TREND_DAYS))
    kernel /= kernel.sum(axis=1, keepdims=True)
    same = (weekdays[:, None] == weekdays).astype(np.float64)
    same = same / same.sum(axis=1, keepdims=True) - 1.0 / weekdays.size
    one = np.eye(weekdays.size)
    return np.asarray((one - same) @ (one - kernel))


def _responses(sweep: FloatArray) -> FloatArray:
    """Return what is left of fading shocks and of single days with variance 1, (lag 0 and 1, 2)."""
    day = np.arange(float(len(sweep)))
    fading = sweep @ SHOCK_KEPT ** np.abs(day[:, None] - day) @ sweep.T
    single = sweep @ sweep.T
    return np.array([
        [np.diag(fading).mean(), np.diag(single).mean()],
        [np.diag(fading, 1).mean(), np.diag(single, 1).mean()],
    ])  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Mean products of two lines' deviations, on a day and from one day to the next, (2,)."""

    products: FloatArray
    count: float


def _pairs(
    weight: FloatArray, rest: FloatArray, groups: IntArray
) -> tuple[_Pairs | None, _Pairs | None]:
    """Return pairs of lines in different channels and in the same one; None without any."""
    member = np.eye(int(groups.max()) + 1)[groups]
    sums = np.empty((2, 2, 2))  # lag; products or weights; across or within
    unit = max(float(np.square(weight).mean()), 1e-12)
    for lag in (0, 1):
        n = len(rest) - lag
        for kind, table in enumerate((weight * rest, weight)):
            early, late = table[:n], table[lag:]
            own = float((early * late).sum())
            in_channel = float(((early @ member) * (late @ member)).sum())
            total = float((early.sum(axis=1) * late.sum(axis=1)).sum())
            sums[lag, kind] = total - in_channel, in_channel - own
    found: list[_Pairs | None] = []
    for where in (0, 1):
        count = float(sums[0, 1, where] / unit)
        found.append(
            _Pairs(products=sums[:, 0, where] / sums[:, 1, where], count=count)
            if sums[:, 1, where].min() / unit > 1e-6 * weight.size  # neighbouring days, too
            else None
        )
    return found[0], found[1]
