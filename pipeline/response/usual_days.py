"""What the past's days were usually like: how they scatter, and what their weekdays bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from pipeline.core.history import History
from pipeline.core.types import FloatArray
from pipeline.response.breaks import Jump

WEEKDAY_WEEKS = 10
MATURING_DAYS = 7  # the newest days scatter because they are incomplete
NOISE_DAYS, LEAST_NOISE_DAYS = 98, 21
LEAST_NOISE_WEEKS = 4
ODDEST = 3.0  # deviations that one day may speak for its weekday with
UNKNOWN_DAY, UNKNOWN_SHARED = 0.4, 0.2  # relative, where the past is too short to tell
LASTING_SD = 0.05  # nobody knows next week's demand better than this
POOLED_DAYS = 20.0  # days that the portfolio's noise is worth to a line


def at_todays_level(past: History, metric: str, jumps: Sequence[Jump]) -> History:
    """Return the past as if lines' levels had never jumped: a jump found is no scatter of days."""
    if not jumps:
        return past
    outcome = past.outcomes[metric].copy()
    for jump in jumps:
        if jump.line in past.lines:
            column = past.lines.index(jump.line)
            outcome[: len(past.days) - 1 - jump.age, column] *= jump.ratio
    return replace(past, outcomes={**past.outcomes, metric: outcome})


def day_noise(past: History, metric: str) -> tuple[float, float, FloatArray]:
    """Return what scatters: the portfolio's day, its weeks (log sd), each line's day (variance).

    Returns:
        sd of one day's shared log demand, sd of what stays for weeks, and (n_lines,) the relative
        variance of a line's day beside that. Of a single line all days' scatter is its own.
    """
    end = max(len(past.days) - MATURING_DAYS, 0)
    start = max(end - NOISE_DAYS, 0)
    outcome = np.nan_to_num(past.outcomes[metric])[start:end]
    trusted = past.trusted[start:end] & (outcome.sum(axis=1) > 0)[:, None]
    n_days, n_lines = outcome.shape
    if n_days < LEAST_NOISE_DAYS + 14:
        return UNKNOWN_SHARED, LASTING_SD, np.full(n_lines, UNKNOWN_DAY**2)
    total = outcome.sum(axis=1)
    logs = np.log(np.maximum(total, 0.05 * _usual(total)))
    shared = _robust_variance(_bends(logs[:, None], 7), np.ones((n_days - 14, 1), dtype=bool))
    mean = np.maximum(outcome.mean(axis=0), 1e-12)
    part = mean / mean.sum()
    # What all lines share shows in the total as far as the total is not the line itself: a line
    # that is all there is can be held against nothing, and its scatter is its own.
    shown = (np.maximum(total, 1e-12) / max(float(total.mean()), 1e-12))[:, None]
    relative = outcome / mean / shown ** (1 - part)
    usable = trusted[7:-7] & trusted[14:] & trusted[:-14]
    own = _variance(_bends(relative, 7), usable)
    weeks = n_days // 7
    lasting = LASTING_SD**2
    if weeks >= LEAST_NOISE_WEEKS:
        sums = total[-7 * weeks :].reshape(weeks, 7).sum(axis=1)
        weekly = np.log(np.maximum(sums, 0.05 * _usual(sums)))
        # The best guess of next week's demand is hardly better than last week's.
        lasting = max(lasting, float(np.square(np.diff(weekly)).mean()) - 2 * float(shared[0]) / 7)
    share = float(np.sum(part**2 * own))  # luck of lines, counted with theirs
    shared_day = max(float(shared[0]) - share, 0.0)
    return float(np.sqrt(shared_day)), float(np.sqrt(lasting)), own


def _bends(table: FloatArray, lag: int) -> FloatArray:
    """Return how far each row lies from the middle of the rows `lag` before and after it."""
    return np.asarray(table[lag:-lag] - 0.5 * (table[2 * lag :] + table[: -2 * lag]))


def _variance(bends: FloatArray, usable: FloatArray | np.ndarray) -> FloatArray:
    """Return the variance of independent noise behind bends, pooled a little, (n_columns,)."""
    count = usable.sum(axis=0)
    own = np.where(usable, np.square(np.clip(bends, -6, 6)), 0.0).sum(axis=0) / 1.5
    pooled = float(np.median(own[count > 0] / count[count > 0])) if (count > 0).any() else 0.16
    return np.asarray((own + POOLED_DAYS * pooled) / (count + POOLED_DAYS))


def _robust_variance(bends: FloatArray, usable: FloatArray | np.ndarray) -> FloatArray:
    """Return the variance behind bends, single odd days clipped, (n_columns,)."""
    scale = 1.4826 * np.median(np.abs(bends), axis=0)
    return np.asarray(np.square(np.clip(bends, -3 * scale, 3 * scale)).mean(axis=0) / 1.5)


def _usual(total: FloatArray) -> float:
    """Return what is usual, > 0: the median, or the mean where most are empty."""
    return max(float(np.median(total)) or float(total.mean()), 1e-9)


def weekday_factors(past: History, metric: str, days: Sequence[date]) -> FloatArray:
    """Return each day's usual outcome over that of the first day ahead, (n_days,).

    Read off whole weeks of ordinary days: named days, what the night distrusts and days whose
    outcomes still come in say nothing of their weekday, and odd days no more than others.
    """
    end = max(len(past.days) - MATURING_DAYS, 0)
    rows = slice(max(end - 7 * WEEKDAY_WEEKS, 0), end)
    known = past.trusted[rows].copy()
    known[[day in past.special for day in past.days[rows]]] = False
    outcome = np.where(known, np.nan_to_num(past.outcomes[metric][rows]), 0.0)
    usual = outcome.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    expected = known @ usual
    ordinary = expected > 0
    relative = outcome.sum(axis=1)[ordinary] / expected[ordinary]
    weekday = np.array([day.weekday() for day in past.days[rows]])[ordinary]
    middle = np.array([np.median(relative[weekday == w] if w in weekday else 1) for w in range(7)])
    away = relative - middle[weekday]
    far = ODDEST * 1.4826 * float(np.median(np.abs(away))) if away.size else 0.0
    if far > 0:
        away = np.clip(away, -far, far)
    count = np.bincount(weekday, minlength=7)
    total = np.bincount(weekday, weights=middle[weekday] + away, minlength=7)
    ahead = np.maximum((total + 1) / (count + 1), 0.05)[[day.weekday() for day in days]]
    return np.asarray(ahead / ahead[0])
