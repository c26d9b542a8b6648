"""The part of a measured outcome that spend does not cause, as regressors with a scale.

Everything is per day, in units of the outcome's mean; a period of several days is averaged, of the
outcome and of every regressor alike, so that weekly tables are fitted by the same daily curves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from pipeline.core.types import FloatArray, IntArray
from pipeline.response.special_days import DAYS_AHEAD, NamedDays

INTERCEPT_SD, TREND_SD, SEASON_SD, WEEKDAY_SD, CONTROL_SD, COMMON_SD = 1.0, 0.3, 0.2, 0.2, 0.3, 0.3
"""Prior deviation of each coefficient, in shares of the mean outcome; a regressor has sd 1."""
ALIKE_SD, OWN_SD = 0.15, 0.25
"""The same of days with a name: what all do alike, and each beside it where nothing is known."""

SEASON_DAYS, HALF_YEAR_DAYS = 180, 540
"""Days that show a season and its half-year bend; less cannot tell them from a trend. A season that
is left out goes to the lines that follow it."""
TREND_DAYS = 56
"""Beforehand no trend is steeper than over so many days: that of a week would go on and on."""
FACTOR_STEPS, FEW_LINES = 60, 3
SMOOTHED_DAYS = 7
STEP = 3.0
"""Usual deviations of a line's change of spend beyond which somebody set its budget anew."""
DRIFT_KEPT = 0.97
FOLLOW_SD = 0.03
"""Elasticity of the outcome that every line alike may owe to demand that it followed unseen, where
no control tells of demand: lines with little money would seem to earn most by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Regressors of one series and what is known of their coefficients beforehand.

    Attributes:
        columns: (n_periods, n_regressors).
        sd: (n_regressors,), prior deviation of each coefficient.
        n_calendar: how many columns, the first ones, the calendar says; the others (controls, and
            what spend does in common) are known only once they have been seen.
        untold: (n_periods, n_untold), seasons that the past is too short to tell from a trend.
        untold_sd: (n_untold,), prior deviation of their coefficients.
        unlike_sd: (n_coming,), by how far coming days may be unlike past ones of their names.
        outages: names whose days brought almost nothing; they say nothing of other names.
    """

    columns: FloatArray
    sd: FloatArray
    n_calendar: int
    untold: FloatArray
    untold_sd: FloatArray
    unlike_sd: FloatArray = field(default_factory=lambda: np.zeros(0))
    outages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSizes:
    """How far days with a name may go, in shares of the mean outcome.

    Attributes:
        own: (n_names,), a name from an ordinary day.
        change: (n_names,), a coming day from the past ones of its name.
        outages: places of names whose days were outages.
    """

    own: FloatArray
    change: FloatArray
    outages: tuple[int, ...] = ()

    @staticmethod
    def usual(n_names: int) -> NameSizes:
        """Return what is taken where a series does not tell."""
        return NameSizes(own=np.full(n_names, OWN_SD), change=np.full(n_names, OWN_SD))


def averaged(daily: FloatArray, period_days: int) -> FloatArray:
    """Return the mean of every period of days, first axis; whole periods only."""
    count = daily.shape[0] // period_days
    whole = daily[: count * period_days]
    return np.asarray(whole.reshape(count, period_days, *daily.shape[1:]).mean(axis=1))


def baseline_design(
    days: tuple[date, ...],
    controls: Mapping[str, FloatArray],
    spend: FloatArray,
    period_days: int,
    special: Mapping[date, str] | None = None,
    sizes: NameSizes | None = None,
) -> Design:
    """Return trend, season, weekday, controls and what the lines' spend has in common.

    Args:
        controls: name -> (n_days,), what else moves the outcome; NaN where nobody knows.
        spend: (n_days, n_lines), of the series' lines, >= 0.
        period_days: days per observation.
        special: days that are unlike others, by name.
        sizes: how far they may go, by default as usual.
    """
    named = NamedDays.of(days, special or {})
    sizes = sizes or NameSizes.usual(len(named.names))
    calendar, sds = _calendar(days, days, period_days, named)
    sds += [ALIKE_SD, *sizes.own.tolist()] if named.names else []
    table = averaged(calendar, period_days)
    untold, untold_sds = _seasons(days, _orders(len(days))[1])
    moved = np.log(spend + 0.1 * (spend.mean(axis=0) + 1e-9))
    known: list[FloatArray] = []
    # A day's control and a day's common movement are noisy signs of a demand that lasts for days.
    for window in (1, SMOOTHED_DAYS) if period_days == 1 else (1,):
        for name in sorted(controls):
            daily = _everywhere(controls[name])
            known.append(_standard(averaged(smoothed(daily, window), period_days)))
            sds.append(CONTROL_SD)
        known.append(common_factor(_without(averaged(smoothed(moved, window), period_days), table)))
        sds.append(COMMON_SD)
    alone = _without(averaged(moved, period_days), table)
    known.append(common_drift(alone))
    sds.append(COMMON_SD)
    if not controls and spend.shape[1] >= FEW_LINES:
        known.append(alone.sum(axis=1))
        sds.append(FOLLOW_SD)
    return Design(
        columns=np.column_stack([table, *known]),
        sd=np.array(sds),
        n_calendar=table.shape[1],
        untold=averaged(untold, period_days),
        untold_sd=np.array(untold_sds),
        unlike_sd=sizes.change[coming_names(named)],
        outages=tuple(named.names[place] for place in sizes.outages),
    )


def calendar_ahead(
    days: tuple[date, ...], period_days: int, special: Mapping[date, str], n_days: int
) -> FloatArray:
    """Return what the calendar says of coming days, (n_periods, n_calendar + n_untold + n_coming).

    Args:
        days: of the history; whole periods.
        period_days, special: as in `baseline_design`.
        n_days: how many days ahead; whole periods, `DAYS_AHEAD` at most.
    """
    coming = tuple(days[-1] + timedelta(days=1 + ahead) for ahead in range(n_days))
    named = NamedDays.of(days, special)
    columns, _ = _calendar(days, coming, period_days, named)
    untold, _ = _seasons(coming, _orders(len(days))[1])
    kind = named.kind[len(days) : len(days) + n_days]
    unlike = (kind[:, None] == coming_names(named)).astype(float)
    return averaged(np.hstack([columns, untold, unlike]), period_days)


def coming_names(named: NamedDays) -> IntArray:
    """Return the names of coming days, as places, in order."""
    kind = named.kind[-DAYS_AHEAD:]
    return np.unique(kind[kind >= 0])


def _calendar(
    past: tuple[date, ...],
    days: tuple[date, ...],
    period_days: int,
    named: NamedDays,
) -> tuple[FloatArray, list[float]]:
    """Return the calendar's regressors on some days, (n_days, n_calendar), and their deviations.

    Those of names come last, what all do alike before each one's own; their deviations are not
    of the calendar.

    Args:
        past: the history, which says what a trend is and which seasons can be told.
        days: consecutive, of the past or right after it.
        named: of the same history.
    """
    n_past, first = len(past), (days[0] - past[0]).days
    time = first + np.arange(len(days))
    columns = [np.ones(len(days)), 2 * time / max(n_past - 1, 1) - 1]
    seasons, season_sds = _seasons(days, _orders(n_past)[0])
    columns += list(seasons.T)
    sds = [INTERCEPT_SD, TREND_SD * min(n_past / TREND_DAYS, 1.0), *season_sds]
    if period_days == 1:
        weekday = np.array([day.weekday() for day in days])
        columns += [(weekday == name) - 1 / 7 for name in range(7)]
        sds += [WEEKDAY_SD] * 7
    if named.names:
        kind = named.kind[first : first + len(days)]
        alike, own = kind >= 0, kind[:, None] == np.arange(len(named.names))
        columns += [alike.astype(float), *own.T.astype(float)]
    return np.column_stack(columns), sds


def _orders(n_past: int) -> tuple[range, range]:
    """Return the harmonics of the year that so many days can tell from a trend, and the others."""
    told = 1 + (n_past >= SEASON_DAYS) + (n_past >= HALF_YEAR_DAYS)
    return range(1, told), range(told, 3)


def _seasons(days: tuple[date, ...], orders: range) -> tuple[FloatArray, list[float]]:
    """Return harmonics of the year, (n_days, 2 * n_orders), and their prior deviations."""
    day_of_year = np.array([day.timetuple().tm_yday for day in days])
    columns, sds = np.empty((len(days), 2 * len(orders))), list[float]()
    for place, order in enumerate(orders):
        angle = 2 * np.pi * order * day_of_year / 365.25
        columns[:, 2 * place] = np.sqrt(2) * np.sin(angle)
        columns[:, 2 * place + 1] = np.sqrt(2) * np.cos(angle)
        sds += [SEASON_SD / order] * 2
    return columns, sds


def smoothed(daily: FloatArray, window: int) -> FloatArray:
    """Return the mean of the days around each day, first axis; an odd number of them."""
    if window == 1:
        return daily
    padding = [(window // 2, window // 2)] + [(0, 0)] * (daily.ndim - 1)
    head = np.zeros((1, *daily.shape[1:]))
    summed = np.cumsum(np.concatenate([head, np.pad(daily, padding, mode="edge")]), axis=0)
    return np.asarray((summed[window:] - summed[:-window]) / window)


def common_factor(movements: FloatArray) -> FloatArray:
    """Return what the lines' spend does in common, (n_periods,), as far as it can be told.

    One factor by maximum likelihood; the score is its posterior mean, so lines that move on their
    own leave it near zero and lose nothing to it. Money follows demand, and demand is what lines
    do in common: a movement that may teach nothing. Source: Rubin and Thayer (1982), "EM
    algorithms for ML factor analysis".
    """
    deviation = movements.std(axis=0)
    moving = movements[:, deviation > 1e-6]
    if moving.shape[1] < FEW_LINES or moving.shape[0] < 3 * moving.shape[1]:
        return np.zeros(movements.shape[0])  # two lines cannot tell what is theirs
    data = (moving - moving.mean(axis=0)) / moving.std(axis=0)
    covariance = data.T @ data / data.shape[0]
    loading = np.full(data.shape[1], 0.5)
    own = np.full(data.shape[1], 0.5)
    for _ in range(FACTOR_STEPS):
        precision = 1 + np.square(loading) @ (1 / own)
        weight = loading / own / precision
        crossed = covariance @ weight
        second = 1 / precision + weight @ crossed
        loading = crossed / second
        own = np.maximum(np.diag(covariance) - loading * crossed, 0.05)
    precision = 1 + np.square(loading) @ (1 / own)
    return np.asarray(data @ (loading / own / precision))


def common_drift(movements: FloatArray) -> FloatArray:
    """Return what the lines' spend does in common from one period to the next, summed up.

    Budgets that people set move seldom and far, each line on its own, and hide what all lines do a
    little every day as demand comes and goes. So steps are left out, line by line, before the
    factor of the changes is taken; their sum keeps most of itself from day to day, as demand does.
    """
    change = np.diff(movements, axis=0)
    usual = np.median(np.abs(change), axis=0) / 0.6745
    small = np.where(np.abs(change) <= STEP * usual, change, 0.0)
    out = np.zeros(movements.shape[0])
    for period, score in enumerate(common_factor(small), start=1):
        out[period] = DRIFT_KEPT * out[period - 1] + np.sqrt(1 - DRIFT_KEPT**2) * score
    return out


def _everywhere(values: FloatArray) -> FloatArray:
    """Return a control with its likely values where it is unknown: between those around.

    Before the first known value and after the last it stays as it is there. A zero would be a fall
    of a whole index, and the scale of its coefficient would be that of the gap.
    """
    known = np.isfinite(values)
    if known.all() or not known.any():
        return np.nan_to_num(values)
    day = np.arange(values.size)
    return np.asarray(np.interp(day, day[known], values[known]))


def _standard(values: FloatArray) -> FloatArray:
    spread = float(values.std())
    return np.asarray((values - values.mean()) / (spread if spread > 0 else 1.0))


def _without(values: FloatArray, columns: FloatArray) -> FloatArray:
    """Return what is left of values after a regression on the columns."""
    fitted, *_ = np.linalg.lstsq(columns, values, rcond=None)
    return np.asarray(values - columns @ fitted)
