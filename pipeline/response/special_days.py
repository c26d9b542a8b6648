"""Days that are unlike others: what a holiday or a sale does to demand, learned from its likes.

A named day is compared with the same weekday a week before and after, line by line, so that level,
season and weekday fall out. What one name did is believed as far as days of other names make it
likely: a name that was never seen is expected to be like the others, and says how little is known
of it. An outage that was given a name says nothing of sales. Mathematics: docs/model.md, "Demand".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.core.findings import SPECIAL_DAY, Finding, Level
from pipeline.core.types import BoolArray, FloatArray, IntArray
from pipeline.response.name_effects import Told, believed

WEEK = 7
DAYS_AHEAD = 35
"""Coming days whose names are looked up: as far as a plan promises anything, and a week more."""

USUAL_NOISE = 0.15  # of a comparison, where there are too few to tell
FEWEST = 14
OCCASION_DAYS = 21
"""Days of one name that are no further apart are one occasion: a sale of a week, a feast of two."""
ALMOST_NOTHING = float(np.log(0.1))
"""Of log demand: what is below is no effect of a name, but an outage, or a shop that was closed."""
SURE = 3.0  # deviations: a thin line's empty day is no outage


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDays:
    """Which days of a calendar have a name; the calendar goes on past the last known day.

    Attributes:
        names: (n_names,), sorted.
        kind: (n_days + DAYS_AHEAD,), place in `names`, -1 for a day like any other.
    """

    names: tuple[str, ...]
    kind: IntArray

    @staticmethod
    def of(days: tuple[date, ...], named: Mapping[date, str]) -> NamedDays:
        """Return the names of those days and of the ones that follow."""
        coming = (days[-1] + timedelta(days=ahead + 1) for ahead in range(DAYS_AHEAD))
        found = [named.get(day, "") for day in (*days, *coming)]
        names = tuple(sorted(set(found) - {""}))
        place = {name: index for index, name in enumerate(names)}
        return NamedDays(names=names, kind=np.array([place.get(name, -1) for name in found]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What days' names say of log demand; 0 on days without one.

    Attributes:
        mean, sd: (n_days + DAYS_AHEAD,), oldest first.
        seen: (n_names,), how many days of each name taught.
        votes: (n_names,), names that taught something of other names: no outages.
    """

    mean: FloatArray
    sd: FloatArray
    seen: IntArray
    votes: BoolArray

    @staticmethod
    def none(n_days: int = 0) -> Effects:
        """Return what a calendar without names says."""
        nothing = np.zeros(n_days + DAYS_AHEAD)
        return Effects(
            mean=nothing,
            sd=nothing,
            seen=np.zeros(0, dtype=np.int64),
            votes=np.zeros(0, dtype=bool),
        )

    def ahead(self) -> tuple[FloatArray, FloatArray]:
        """Return mean and deviation of the coming days, (DAYS_AHEAD,) each, tomorrow first."""
        return self.mean[-DAYS_AHEAD:], self.sd[-DAYS_AHEAD:]


def learn_effects(log: FloatArray, variance: FloatArray, named: NamedDays) -> Effects:
    """Return what each name does to log demand.

    Args:
        log, variance: (n_days, n_lines), of outcome over what is expected on an ordinary day; an
            infinite variance leaves a cell out.
        named: of the same days and those that follow.
    """
    n_days, n_names = log.shape[0], len(named.names)
    if n_names == 0:
        return Effects.none(n_days)
    kind = named.kind[:n_days]
    told, scatter, known = _against_weeks(log, variance, kind)
    ordinary = told[known & (kind < 0)]
    noise = USUAL_NOISE if ordinary.size < FEWEST else 1.4826 * float(np.median(np.abs(ordinary)))
    error = np.where(known, np.maximum(max(noise, 1e-3) ** 2, scatter), np.inf)
    days = np.flatnonzero(named.kind >= 0)
    taught = known & (kind >= 0)
    seen = np.bincount(kind[taught], minlength=n_names)
    total = np.bincount(kind[taught], weights=told[taught], minlength=n_names)
    votes = (seen > 0) & (total > ALMOST_NOTHING * seen)
    coming = np.full(DAYS_AHEAD, np.inf)
    mean, sd = np.zeros((2, named.kind.size))
    mean[days], sd[days] = believed(
        Told(
            kind=named.kind[days],
            occasion=_occasions(days, named.kind[days]),
            effect=np.append(told, np.zeros(DAYS_AHEAD))[days],
            variance=np.append(error, coming)[days],
            votes=votes,
        )
    )
    return Effects(mean=mean, sd=sd, seen=seen, votes=votes)


def _occasions(days: IntArray, kind: IntArray) -> IntArray:
    """Return a number for each named day that days of one name share if they follow closely."""
    order = np.lexsort((days, kind))
    begins = (np.diff(kind[order]) != 0) | (np.diff(days[order]) > OCCASION_DAYS)
    out = np.empty(days.size, dtype=np.int64)
    out[order] = np.append(0, np.cumsum(begins))
    return out


def _against_weeks(
    log: FloatArray, variance: FloatArray, kind: IntArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return each day's log demand over the ordinary days a week away, and how it is known.

    Returns:
        (n_days,) each: what lines show of a day in the mean, the variance of that mean as they
        disagree, and whether there is anything to hold the day against.
    """
    usable = np.isfinite(variance)
    total, count = np.zeros(log.shape), np.zeros(log.shape)
    ordinary = usable & (kind < 0)[:, None]
    early, late = slice(None, -WEEK), slice(WEEK, None)
    for to, by in ((late, early), (early, late)):
        total[to] += np.where(ordinary[by], log[by], 0.0)
        count[to] += ordinary[by]
    both = usable & (count > 0)
    away = np.where(both, log - total / np.maximum(count, 1), 0.0)
    weight = np.where(both, 1.0 / np.where(usable, variance, 1.0), 0.0)
    out = both & (away < ALMOST_NOTHING) & (np.square(away) * weight > SURE**2)
    went_on = 2 * (weight * out).sum(axis=1) < weight.sum(axis=1)
    weight[out & went_on[:, None]] = 0.0  # one line's outage is nothing that the day did
    known = weight.sum(axis=1) > 0
    weight /= np.where(known, weight.sum(axis=1), 1.0)[:, None]
    told = (weight * away).sum(axis=1)
    return told, np.square(weight * (away - told[:, None])).sum(axis=1), known


def special_findings(last_day: date, named: NamedDays, effects: Effects) -> tuple[Finding, ...]:
    """Return what the signer is told where tomorrow has a name."""
    if named.kind[-DAYS_AHEAD] < 0:
        return ()
    place = int(named.kind[-DAYS_AHEAD])
    mean, sd = (float(values[0]) for values in effects.ahead())
    low, expected, high = (float(np.expm1(mean + away * sd)) for away in (-1.645, 0.0, 1.645))
    own, others = int(effects.seen[place]), int(effects.seen[effects.votes].sum())
    others -= own if effects.votes[place] else 0
    day, name = last_day + timedelta(days=1), named.names[place]
    return (special_finding(day, name, (expected, low, high), own, others),)


def special_finding(
    day: date,
    name: str,
    found: tuple[float, float, float],
    own: int,
    others: int,
    span: str = "day",
) -> Finding:
    """Return what is expected of a day with a name, and what that rests on.

    Args:
        found: share by which demand is expected to differ, least and most.
        own, others: days of that name, and of others, that taught.
        span: what is held against an ordinary one.
    """
    expected, low, high = found
    what = "demand" if span == "day" else f"its {span}'s demand"
    return Finding(
        level=Level.PASS,
        check=SPECIAL_DAY,
        message=f"{day} is {name}: {what} is expected {expected:+.0%} against an ordinary {span} "
        f"({low:+.0%} to {high:+.0%}), learned from {own} such day{'' if own == 1 else 's'} and "
        f"{others} other special day{'' if others == 1 else 's'}",
    )
