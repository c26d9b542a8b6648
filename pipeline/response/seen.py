"""What history holds of a lift test's lines: what bounds its lift, and how finely it measures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.core.history import History, LiftTest
from pipeline.core.types import FloatArray, IntArray

LATE_DAYS = 14
"""Outcomes of so many newest days may still come in."""

WEEK = 7
COUNT = "conversions"

FINEST_OF_SALES, FINEST_OF_DAYS = 0.2, 0.02
"""Least error of a test, over what chance does to sales that are counted, and over what days
scatter. Also the best compare people who saw ads with people who did not, and of both as many buy
by chance; only that money's share of people is not known better."""

ODD = 0.9
"""Quantile of weekly changes above which they count as that: days that were odd are not usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What history holds of a test's lines, summed over them.

    Attributes:
        money: in the window.
        most_money: the most in any window as long.
        outcome: of all lines beside which these are seen, in the window, or the most where the
            window's is not in yet or would have been more; inf where unknown.
        scatter: what as many days bring more or less by chance of the outcome that is the moved
            money's by its share, a standard deviation. 0 where nothing scatters, or is known.
        finest: the least error that a test of that money can have.
    """

    money: float
    most_money: float
    outcome: float
    scatter: float
    finest: float


def seen(history: History, metric: str, test: LiftTest) -> Seen:
    """Return what history holds of a test that it covers."""
    index = {line: place for place, line in enumerate(history.lines)}
    lines = np.array([index[line] for line in test.lines])
    columns, beside = _series(history, lines)
    first = history.days[0]
    begin, end = (test.first_day - first).days, (test.last_day - first).days + 1
    is_whole = test.spend_change > 0 and end <= len(history.days) - LATE_DAYS

    def total(daily: FloatArray) -> float:
        return float(daily[begin:end].sum()) if is_whole else _most(daily, end - begin)

    spend, outcome = history.spend[:, lines].sum(axis=1), _outcome(history, metric, columns)
    share = min(abs(test.spend_change) / max(total(history.spend[:, beside].sum(axis=1)), 1e-12), 1)
    scatter, finest = _chance(history, metric, columns, share * total(outcome))
    every = columns if history.measured is not None else np.arange(len(history.lines))
    return Seen(
        money=float(spend[begin:end].sum()),
        most_money=_most(spend, end - begin),
        outcome=total(_outcome(history, metric, every)),
        scatter=scatter,
        finest=finest,
    )


def _series(history: History, lines: IntArray) -> tuple[IntArray, IntArray]:
    """Return the columns of outcomes in which lines are seen, and all lines that share them."""
    if history.measured is None:
        return lines, lines
    unit_of = history.measured.unit_of(history.lines)
    units = np.unique(unit_of[lines])
    units = units[units >= 0]
    return units, np.flatnonzero(np.isin(unit_of, units))


def _outcome(history: History, metric: str, columns: IntArray) -> FloatArray:
    """Return what was reported each day, (n_days,); cells that are not trusted are as usual."""
    if not columns.size:  # said by the gate: a series without any row
        return np.full(len(history.days), np.inf)
    if history.measured is None:
        table, trusted = history.outcomes[metric], history.trusted
    else:
        table, trusted = history.measured.outcomes[metric], history.measured.trusted
    table, trusted = table[:, columns], trusted[:, columns]
    known = np.where(trusted & np.isfinite(table), table, np.nan)
    count = np.maximum(np.isfinite(known).sum(axis=0), 1)
    usual = np.nansum(known, axis=0) / count
    return np.asarray(np.where(np.isfinite(known), known, usual).sum(axis=1))


def _chance(history: History, metric: str, columns: IntArray, amount: float) -> tuple[float, float]:
    """Return how days scatter an amount of outcome, and the least error that a test of it can have.

    Variance grows with an amount. Days scatter by what they have in common as well as by sales
    that come one by one; a test compares the first away and never the second. So where sales are
    counted its error is held against them, elsewhere against a small part of the days' scatter.
    """
    outcome = _by_period(history, _outcome(history, metric, columns))
    lag = max(WEEK // _period(history), 1)
    if outcome.size <= lag or not 0 < outcome.sum() < np.inf:
        return 0.0, 0.0
    change = np.square(outcome[lag:] - outcome[:-lag])
    usual = float(np.minimum(change, np.quantile(change, ODD)).mean()) / 2
    scatter = math.sqrt(amount * usual / outcome.mean())
    if COUNT not in history.metrics:
        return scatter, FINEST_OF_DAYS * scatter
    count = float(_by_period(history, _outcome(history, COUNT, columns)).sum())
    one_by_one = math.sqrt(amount * float(outcome.sum()) / max(count, 1.0))
    return scatter, FINEST_OF_SALES * min(scatter, one_by_one)


def _period(history: History) -> int:
    return 1 if history.measured is None else history.measured.period_days


def _by_period(history: History, daily: FloatArray) -> FloatArray:
    """Return sums over the periods that a row of the source spans."""
    period = _period(history)
    count = daily.size // period
    return np.asarray(daily[: count * period].reshape(count, period).sum(axis=1))


def _most(daily: FloatArray, n_days: int) -> float:
    """Return the highest sum of so many days in a row."""
    total = np.concatenate([[0.0], np.cumsum(daily)])
    return float((total[n_days:] - total[:-n_days]).max())
