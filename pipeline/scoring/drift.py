"""Whether a series left its course: cumulated sums of pre-whitened, self-standardised days.

A false alarm a year is a promise about all series together, so the limit of one series depends on
how many there are. Mean and spread are learned as the series runs, so that nothing has to be known
beforehand and short pasts do not alarm more often than long ones. A single odd day cannot alarm.

Sources: Page (1954); Hawkins (1987), "Self-starting CUSUM charts for location and scale";
Wallace (1959) for the normal score of a Student t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray, IntArray

ALLOWANCE = 0.5  # half of the shift that is found fastest, in standard deviations
LEARNING_DAYS = 21  # of a series, before it may alarm
BACK_DAYS = 7  # at the end of the days it is learned from, by which a level is seen to be back
LEAST_SHIFTED = 2  # days of a new level from which its beginning is read off
RECENT_DAYS = 7  # that do not teach persistence
STEPS_DOUBT = 2.4  # over the root of the days: 1.7 standard errors of what steps tell
ODD = 3.0  # standard deviations that a single day counts at most
SMOOTH_DAYS = 21
MOST_KEPT = 0.8
DAYS_PER_YEAR = 365.0
CELLS = 80  # of the grid on which run lengths are computed


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A series that left its course.

    Attributes:
        series: its column.
        began: row after the last one on course, as estimated.
        noticed: row that crossed the limit.
        before, after: mean level up to `began`, and from it up to `noticed`.
        spread: standard deviation of the level around its mean before the shift.
    """

    series: int
    began: int
    noticed: int
    before: float
    after: float
    spread: float

    @property
    def step(self) -> float:
        """How far the level moved, in the series' own units."""
        return self.after - self.before


def alarm_limit(n_series: int, false_alarms_per_year: float) -> float:
    """Return the limit of each sum that gives so many false alarms a year over all series."""
    wanted = 2 * DAYS_PER_YEAR * max(n_series, 1) / false_alarms_per_year  # of each side alone
    low, high = 0.5, 40.0
    for _ in range(30):
        middle = (low + high) / 2
        if run_length(middle) < wanted:
            low = middle
        else:
            high = middle
    return high


def run_length(limit: float) -> float:
    """Return the mean days between false alarms of a one-sided sum of clipped normal scores.

    The sum is a Markov chain on a grid of `CELLS` values. Source: Brook and Evans (1972), "An
    approach to the probability distribution of CUSUM run length".
    """
    width = 2 * limit / (2 * CELLS - 1)
    state = np.arange(CELLS) * width
    edges = np.append((np.arange(CELLS) + 0.5) * width, np.inf)
    below = _clipped_normal(edges[None, :-1] - state[:, None] + ALLOWANCE)
    move = np.diff(below, axis=1, prepend=0.0)
    stay = np.eye(CELLS) - move
    return float(np.linalg.solve(stay, np.ones(CELLS))[0])


def _clipped_normal(score: FloatArray) -> FloatArray:
    """Return the chance that a normal score, clipped at `ODD`, is at most this."""
    inside = 0.5 * (1 + np.vectorize(math.erf)(score / np.sqrt(2)))
    return np.asarray(np.where(score >= ODD, 1.0, np.where(score < -ODD, 0.0, inside)))


def find_shifts(series: FloatArray, limit: float) -> list[Shift]:
    """Return every shift in order of notice; after each, the series is learned anew.

    Args:
        series: (n_days, n_series), NaN where a day says nothing.
        limit: from `alarm_limit`.
    """
    old = series.shape[0] - min(RECENT_DAYS, series.shape[0] // 4)
    kept = persistence(series[:old])  # a shift of the last weeks would pass for persistence
    columns = np.arange(series.shape[1])
    start = np.zeros(columns.size, dtype=np.int64)
    found: list[Shift] = []
    while columns.size:
        noticed, began = _first_crossing(series[:, columns], start, kept[columns], limit)
        hit = np.flatnonzero(noticed >= 0)
        of, those = series[:, columns[hit]], (start[hit], began[hit], noticed[hit])
        kept[columns[hit]], noticed[hit] = _on_course(of, *those, limit)
        for i in hit.tolist():
            own = series[:, columns[i]]
            found.append(_shift(own, int(columns[i]), int(start[i]), began[i], noticed[i]))
            start[i] = _learn_from(own, found[-1])
        again = hit[start[hit] < series.shape[0] - LEARNING_DAYS]
        columns, start = columns[again], start[again]
    return sorted(found, key=lambda shift: (shift.noticed, shift.series))


def _on_course(
    series: FloatArray, start: IntArray, began: IntArray, noticed: IntArray, limit: float
) -> tuple[FloatArray, IntArray]:
    """Return the persistence before each shift, and the rows that cross the limit with it.

    A shift passes for persistence in part, the more so the longer it lasts. Only days before it
    tell, once it is found; with them its notice does not wander from night to night, and the way
    back is seen as readily as the way there.

    Args:
        series: (n_days, n_shifts), a column for each shift.
    """
    kept = np.zeros(began.size)
    for i, values in enumerate(series.T):
        clean = values[start[i] : began[i], None]
        if np.isfinite(clean).sum() < 2 * LEARNING_DAYS:
            clean = values[:, None]
        kept[i] = persistence(clean)[0]
    again, _ = _first_crossing(series, start, kept, limit)
    return kept, np.where(again >= began, np.minimum(noticed, again), noticed)


def _learn_from(values: FloatArray, shift: Shift) -> int:
    """Return the row from which the level is learned anew: past a shift that went away soon."""
    past = shift.began + LEARNING_DAYS - BACK_DAYS
    level = values[past : past + BACK_DAYS]
    level = level[np.isfinite(level)]
    if level.size == 0:
        return shift.began
    away = np.abs(np.median(level) - np.array([shift.before, shift.after]))
    return past if away[0] < away[1] else shift.began


def persistence(series: FloatArray) -> FloatArray:
    """Return the share of a day's deviation that is still there the next day, (n_series,).

    Deviations are from a smooth course. A shift of level passes for persistence all the same, so
    that it would be found late and lost again; in the steps from day to day it is one odd step of
    many. They tell persistence less exactly, and so only what is most.
    """
    days = np.arange(series.shape[0])
    kernel = np.exp(-0.5 * np.square((days[:, None] - days) / SMOOTH_DAYS))
    known = np.isfinite(series)
    value = np.where(known, series, 0.0)
    smooth = (kernel @ value) / np.maximum(kernel @ known.astype(float), 1e-9)
    rest = np.where(known, series - smooth, 0.0)
    scale = 1.4826 * np.median(np.abs(rest), axis=0) + 1e-12
    rest = np.clip(rest, -3 * scale, 3 * scale)
    both = known[1:] & known[:-1]
    top = (rest[1:] * rest[:-1] * both).sum(axis=0)
    bottom = np.maximum((np.square(rest[:-1]) * both).sum(axis=0), 1e-12)
    count = np.maximum(both.sum(axis=0), 1)
    lost = (1 + 3 * top / bottom) / np.minimum(count, 2.5 * SMOOTH_DAYS)  # taken by smoothing
    most = _persistence_of_steps(series) + STEPS_DOUBT / np.sqrt(days.size)
    return np.asarray(np.clip(np.minimum(top / bottom + lost, most), 0.0, MOST_KEPT))


def _persistence_of_steps(series: FloatArray) -> FloatArray:
    """Return the persistence that the steps' own correlation tells: it is (kept - 1) / 2."""
    step = np.diff(series, axis=0)
    known = np.isfinite(step)
    step = np.where(known, step, 0.0)
    scale = 1.4826 * np.median(np.abs(step), axis=0) + 1e-12
    step = np.clip(step, -3 * scale, 3 * scale)
    both = known[1:] & known[:-1]
    top = (step[1:] * step[:-1] * both).sum(axis=0)
    bottom = 0.5 * ((np.square(step[1:]) + np.square(step[:-1])) * both).sum(axis=0)
    return np.asarray(1 + 2 * top / np.maximum(bottom, 1e-12))


def _first_crossing(
    series: FloatArray, start: IntArray, kept: FloatArray, limit: float
) -> tuple[IntArray, IntArray]:
    """Return the row at which each series first alarms, -1 for never, and where its shift began."""
    n = series.shape[1]
    count, mean, square = np.zeros(n), np.zeros(n), np.zeros(n)
    sums, began = np.zeros((2, n)), np.repeat(start[None], 2, axis=0)
    last = np.full(n, np.nan)
    noticed, first = np.full(n, -1, dtype=np.int64), start.copy()
    sign = np.array([[1.0], [-1.0]])
    for row in range(int(start.min(initial=0)), series.shape[0]):
        value = series[row]
        use = np.isfinite(value) & (row >= start) & (noticed < 0)
        # The first day after a gap has nothing to lean on.
        white = np.where(np.isfinite(last), value - kept * last, value * (1 - kept))
        last = np.where(use, value, last)
        ready = use & (count >= LEARNING_DAYS) & (square > 0)
        spread = np.sqrt(np.where(ready, square / np.maximum(count - 1, 1), 1.0))
        away = np.where(ready, white - mean, 0.0) / spread
        score = _normal_score(away * np.sqrt(count / (count + 1)), np.maximum(count - 1, 1))
        began = np.where(ready & (sums == 0), row, began)
        step = sign * np.clip(score, -ODD, ODD) - ALLOWANCE
        sums = np.where(ready, np.maximum(0.0, sums + step), sums)
        crossed = ready & (sums.max(axis=0) > limit)
        noticed = np.where(crossed, row, noticed)
        first = np.where(crossed, np.where(sums[0] > sums[1], began[0], began[1]), first)
        white = np.where(ready, np.clip(white, mean - 3 * spread, mean + 3 * spread), white)
        count = count + use
        change = np.where(use, white - mean, 0.0)
        mean = mean + change / np.maximum(count, 1)
        square = square + np.where(use, change * (white - mean), 0.0)
    return noticed, first


def _shift(values: FloatArray, column: int, start: int, began: int, row: int) -> Shift:
    before = float(np.nanmean(values[start:began]))
    began += _likeliest(values[began : row + 1] - before)
    return Shift(
        series=column,
        began=began,
        noticed=row,
        before=before,
        after=float(np.nanmean(values[began : row + 1])),
        spread=float(np.nanstd(values[start:began])),
    )


def _likeliest(away: FloatArray) -> int:
    """Return the day from which a step explains most, of days that end with its notice.

    The sum often starts to grow some days before the change, on days that are odd by chance.
    """
    known = np.isfinite(away)[::-1]
    total = np.cumsum(np.where(known, away[::-1], 0.0))[::-1]
    days = np.cumsum(known)[::-1]
    explained = np.where(days >= LEAST_SHIFTED, np.square(total) / np.maximum(days, 1), 0.0)
    return int(explained.argmax())


def _normal_score(value: FloatArray, freedom: FloatArray) -> FloatArray:
    """Return the normal deviate that a Student t of so many degrees of freedom corresponds to."""
    size = np.sqrt(freedom * np.log1p(value**2 / freedom))
    return np.asarray(np.sign(value) * (8 * freedom + 1) / (8 * freedom + 3) * size)
