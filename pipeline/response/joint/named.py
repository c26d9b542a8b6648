"""Days with a name where one series is known for many lines: how far they go, and what is said.

How far days of a name may be from ordinary ones is read off the series itself, before the fit: a
prior that fits quiet holidays would not believe a sale, and one that fits sales would believe any
odd holiday.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from pipeline.core.findings import Finding
from pipeline.core.history import History
from pipeline.core.types import BoolArray, FloatArray
from pipeline.response.joint.beside import Beside, unlike_past
from pipeline.response.joint.design import NameSizes, calendar_ahead, coming_names
from pipeline.response.special_days import (
    DAYS_AHEAD,
    Effects,
    NamedDays,
    learn_effects,
    special_finding,
)

LEAST = 0.03  # of a series' usual day: its log says nothing below


def series_effects(outcome: FloatArray, known: BoolArray, named: NamedDays) -> Effects:
    """Return what the names of days did to one daily series, its spend included.

    Args:
        outcome: (n_days,), in units of its mean.
        known: (n_days,)
    """
    log = np.log(np.maximum(outcome, LEAST))[:, None]
    return learn_effects(log, np.where(known, 1.0, np.inf)[:, None], named)


def name_sizes(effects: Effects, named: NamedDays) -> NameSizes:
    """Return how far names may be from ordinary days, and coming days from their names."""
    last = np.array([np.flatnonzero(named.kind == k)[-1] for k in range(len(named.names))], int)
    mean, sd = effects.mean[last], effects.sd[last]
    return NameSizes(
        own=np.expm1(np.hypot(mean, sd)),
        # Of a name that was not seen, its own size says already how far its day may be off.
        change=np.where(effects.seen > 0, np.exp(mean) * sd, 0.0),
        outages=tuple(np.flatnonzero((effects.seen > 0) & ~effects.votes).tolist()),
    )


def special_findings(
    history: History, series: Sequence[Beside], usual: float, rng: np.random.Generator
) -> tuple[Finding, ...]:
    """Return what the signer is told where the next period has days with a name.

    Args:
        history: of the fit; whole periods.
        series: what comes beside spend.
        usual: outcome of all series in a usual period, a day.
        rng: the only source of chance.
    """
    named = NamedDays.of(history.days, history.special)
    period = 1 if history.measured is None else history.measured.period_days
    coming = np.flatnonzero(named.kind[-DAYS_AHEAD:][:period] >= 0)
    if not coming.size or not series:
        return ()
    effect, unlike = np.zeros(series[0].kind.size), unlike_past(series, rng)
    for item in series:
        days = history.days[-item.known.size * period :]
        (row,) = calendar_ahead(days, period, history.special, period)
        n_names = len(NamedDays.of(days, history.special).names)
        n_calendar, n_fixed = item.design.n_calendar, item.design.sd.size
        gamma, _ = item.draw(unlike, rng)
        dated = np.delete(gamma, np.s_[n_calendar:n_fixed], axis=1)
        is_name = np.zeros(row.size, dtype=bool)
        is_name[n_calendar - 1 - n_names : n_calendar] = True
        is_name[row.size - coming_names(named).size :] = True
        effect += item.scale * dated[:, is_name] @ row[is_name]
    share = np.maximum(effect / max(usual, 1e-9), -1.0)
    low, high = np.quantile(share, (0.05, 0.95))
    day = date.fromordinal(history.days[-1].toordinal() + 1 + int(coming[0]))
    place = int(named.kind[-DAYS_AHEAD + coming[0]])
    own, others = _taught(named, place, series, period)
    found = (float(share.mean()), float(low), float(high))
    span = "day" if period == 1 else "week"
    return (special_finding(day, named.names[place], found, own, others, span),)


def _taught(named: NamedDays, place: int, series: Sequence[Beside], period: int) -> tuple[int, int]:
    """Return how many days of a name taught, and of other names that tell anything of it."""
    past = named.kind[:-DAYS_AHEAD]
    own, others = np.zeros((2, past.size), dtype=bool)
    for item in series:
        days = slice(past.size - item.known.size * period, past.size)
        outages = [named.names.index(name) for name in item.design.outages]
        known, kind = item.known.repeat(period), past[days]
        own[days] |= known & (kind == place)
        others[days] |= known & (kind >= 0) & (kind != place) & ~np.isin(kind, outages)
    return int(own.sum()), int(others.sum())
