"""Money that followed the day: platforms and people spend more within days on which more is sold.

Such movements of a line's spend say little of its response, and no model of demand that all lines
share removes what only this line's customers did. Budgets that were set stay for half a week at
least; what follows the day comes and goes. So the two are told apart by how long they last, and how
far they disagree on the response says how much of the fast one is an answer rather than a cause.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.types import FloatArray, RealArray, SingleArray

AROUND = 3  # days before and after; what lasts longer than that is a budget that was set
USUAL, USUAL_LINES = 0.15, 2.0
"""Elasticity that fast movements may be off by, and how many lines it takes to unlearn that."""

LEAST, MOST = 0.03, 0.4
FAR = 3.0  # disagreements count up to so many standard deviations


def fast_movement(movement: RealArray) -> SingleArray:
    """Return how far each day lies from the median of the days around it, (n_days, n_lines).

    Args:
        movement: (n_days, n_lines), of log spend.
    """
    known = np.asarray(movement, dtype=np.float32)
    out, n_days = known.copy(), len(known)
    inside = slice(AROUND, max(n_days - AROUND, AROUND))
    for day in {*range(n_days)}.difference(range(n_days)[inside]):
        out[day] -= np.median(known[max(day - AROUND, 0) : day + AROUND + 1], axis=0)
    if n_days > 2 * AROUND:
        lags = range(2 * AROUND + 1)
        windows = np.stack([known[lag : n_days - 2 * AROUND + lag] for lag in lags])
        windows.partition(AROUND, axis=0)
        out[inside] -= windows[AROUND]
    return out


def chase_sd(
    freed: RealArray,
    expected: RealArray,
    variance: RealArray,
    movement: RealArray,
    fast: RealArray,
) -> float:
    """Return the elasticity by which fast movements may mislead, as a standard deviation.

    Each line is regressed on its fast and its slow movements. Were both causes alone, their slopes
    would differ by chance; what they differ by beyond it, over all lines, is the square of the
    answer (a test of exogeneity, Hausman 1978, with moments in place of a verdict).

    Args:
        freed: (n_days, n_lines), outcome without demand.
        expected: (n_days, n_lines), > 0, what the lines' curves say.
        variance: (n_days, n_lines), of `freed`; inf leaves a cell out.
        movement: (n_days, n_lines), log of carried spend over its reference.
        fast: (n_days, n_lines), from `fast_movement`.
    """
    weight = np.square(expected) / variance
    total = np.maximum(weight.sum(axis=0, dtype=np.float64), 1e-9)
    known = np.where(weight > 0, freed / expected - 1, 0.0)
    x, z, y = (
        table - (np.einsum("tl,tl->l", weight, table) / total).astype(np.float32)
        for table in (fast, movement - fast, known)
    )

    def product(one: RealArray, other: RealArray) -> FloatArray:
        return np.asarray(np.einsum("tl,tl,tl->l", weight, one, other), dtype=np.float64)

    xx, xz, zz = product(x, x) + 1.0, product(x, z), product(z, z) + 1.0
    xy, zy = product(x, y), product(z, y)
    area = xx * zz - xz * xz
    of_fast, of_slow = (zz + xz) / area, (xx + xz) / area
    apart = of_fast * xy - of_slow * zy
    # What chance alone makes of it; the ones above, a wide prior of both slopes, are no data.
    chance = of_fast**2 * (xx - 1) - 2 * of_fast * of_slow * xz + of_slow**2 * (zz - 1)
    error = (xx + zz + 2 * xz) / area
    precision = np.square(USUAL**2 / (USUAL**2 + error))
    excess = np.minimum(np.square(apart), FAR**2 * (error + USUAL**2)) - chance
    found = USUAL_LINES * USUAL**2 + float(precision @ excess)
    return float(np.sqrt(np.clip(found / (USUAL_LINES + precision.sum()), LEAST**2, MOST**2)))
