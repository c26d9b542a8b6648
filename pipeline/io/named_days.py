"""What days that the settings name may bring, so that they can be held against ordinary days.

A sale brings several times the money and the outcomes of its week, and a holiday a part of them.
What earlier days of its name brought beside their weeks is taken out before a rule looks at a day;
of a name that was never seen, whatever is not beyond reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.io.facts import WEEK, Facts

SANE = 6.0  # times its weeks, what a first day of a name may bring: a slip of the point is ten
MOST = 10.0  # times their weeks, what earlier days may let a day bring: another unit is a hundred
WEEKS = (-4, -3, -2, -1, 1, 2, 3, 4)  # whose same weekday a day is held against
FEWEST = 2


def as_ordinary(facts: Facts, named: Mapping[date, str]) -> Facts:
    """Return the facts as if no day had a name: without what such a day may bring.

    Money, clicks and impressions are taken line by line, outcomes as they are in all, since those
    of a line are lumpy. Rows of a week are as they are: no week is named.
    """
    names = [named.get(day, "") for day in facts.days]
    if facts.period_days > 1 or not any(names):
        return facts
    return replace(
        facts,
        spend=facts.spend / _brought(facts.spend, names),
        clicks=facts.clicks / _brought(facts.clicks, names),
        impressions=facts.impressions / _brought(facts.impressions, names),
        outcomes={
            metric: table / _all_brought(table, names) for metric, table in facts.outcomes.items()
        },
        measured=None if facts.measured is None else as_ordinary(facts.measured, named),
    )


def first_of_its_name(facts: Facts, named: Mapping[date, str]) -> str:
    """Return the newest day's name where no day before had it; else nothing."""
    name = named.get(facts.days[-1], "")
    return "" if name in {named.get(day, "") for day in facts.days[:-1]} else name


def _brought(values: FloatArray, names: list[str]) -> FloatArray:
    """Return how many times its weeks each cell's day may have brought, 1 on ordinary days.

    A line that has no day of the name goes by all lines together.
    """
    own = _beside_weeks(values, names)
    usual = _of_likes(own, names)
    total = _of_likes(_beside_weeks(_totals(values), names), names)
    return _allowed(own, np.where(np.isfinite(usual), usual, total))


def _all_brought(values: FloatArray, names: list[str]) -> FloatArray:
    """Return the same of all lines together, (n_days, 1)."""
    own = _beside_weeks(_totals(values), names)
    return _allowed(own, _of_likes(own, names))


def _totals(values: FloatArray) -> FloatArray:
    return np.asarray(np.nan_to_num(values).sum(axis=1, keepdims=True))


def _allowed(own: FloatArray, usual: FloatArray) -> FloatArray:
    """Return what is taken out: up to the usual, and of a first day all within reason.

    Args:
        own: of each cell over its weeks, NaN on ordinary days.
        usual: of the other days of its name, NaN where there are none.
    """
    bound = np.clip(usual, 1 / MOST, MOST)
    with np.errstate(invalid="ignore"):
        seen = np.clip(own, np.minimum(bound, 1.0), np.maximum(bound, 1.0))
        first = np.where((own < SANE) & (own > 1 / SANE), own, 1.0)
    out = np.where(np.isfinite(usual), seen, first)
    return np.asarray(np.where(np.isfinite(out), out, 1.0))


def _beside_weeks(values: FloatArray, names: list[str]) -> FloatArray:
    """Return each named cell over the days that it stands out from, NaN elsewhere.

    That is the same weekday of the weeks around it, or the days next to it, from which it stands
    out less: money that was raised before a sale was not brought by its day.
    """
    out = np.full(values.shape, np.nan)
    n_days = len(values)
    for day in np.flatnonzero([bool(name) for name in names]).tolist():
        around = [day + WEEK * week for week in WEEKS]
        beside = [at for at in around if 0 <= at < n_days and not names[at]]
        week = range(max(day - WEEK, 0), min(day + WEEK + 1, n_days))
        near = [at for at in week if not names[at]]
        if near:
            out[day] = _nearest_to_one(
                values[day] / _median_above_zero(values[near]),
                values[day] / _median_above_zero(values[beside if len(beside) >= FEWEST else near]),
            )
    out[~(out > 0)] = np.nan  # a pause says nothing of the day
    return out


def _nearest_to_one(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the ratio that is nearer to 1, and 1 where one is above it and one below."""
    low, high = np.fmin(one, other), np.fmax(one, other)  # one is NaN where its days rested
    between = np.where(np.isfinite(high), 1.0, np.nan)
    return np.asarray(np.where(low > 1, low, np.where(high < 1, high, between)))


def _median_above_zero(values: FloatArray) -> FloatArray:
    """Return each column's median of what is above zero, NaN where nothing is."""
    known = np.where(values > 0, values, np.nan)
    has_any = np.isfinite(known).any(axis=0)
    out = np.full(values.shape[1], np.nan)
    out[has_any] = np.nanmedian(known[:, has_any], axis=0)
    return out


def _of_likes(own: FloatArray, names: list[str]) -> FloatArray:
    """Return what the other days of its name brought for each named cell, NaN where none did."""
    out = np.full(own.shape, np.nan)
    for day in np.flatnonzero([bool(name) for name in names]).tolist():
        likes = [at for at, name in enumerate(names) if name == names[day] and at != day]
        if likes:
            out[day] = _median_above_zero(own[likes])
    return out
