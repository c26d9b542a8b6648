"""Each past plan's forecast against what came: per line and horizon, as outcomes mature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.core.forecast import LEVELS, Forecast
from pipeline.core.types import BoolArray, FloatArray, IntArray, Line

MATURE, EARLY = 0.9, 0.5
"""Complete shares from which a score counts, and below which nothing is said."""

LEAST_MOVE = 0.001
"""Of the budget: a plan that moves less has nothing to adopt."""

LEAST_OF_ASTRAY = 0.5
"""Of the money spent otherwise than planned: where a plan moved less than that, chance or other
changes drown its moves, and the share adopted would be any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A past plan and what it promised."""

    plan_id: str
    is_published: bool
    forecast: Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Money by budget line, where outcomes are known for groups of them.

    Attributes:
        lines: (n_lines,)
        spend: (n_days, n_lines)
    """

    lines: tuple[Line, ...]
    spend: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """What happened, as known by now.

    Attributes:
        days: consecutive.
        lines: of the second axes; what outcomes are known by.
        spend, outcome: (n_days, n_lines), as reported.
        complete: (n_days, n_lines), share of the outcome that is thought to be reported.
        doubt: (n_days,), standard deviation of its log that all lines share; None where it is not
            asked for.
        trusted: (n_days, n_lines), False where a fault forbids a comparison.
        spent: by budget line, where `lines` are groups of them.
    """

    days: tuple[date, ...]
    lines: tuple[Line, ...]
    spend: FloatArray
    outcome: FloatArray
    complete: FloatArray
    trusted: BoolArray
    spent: Spent | None = None
    doubt: FloatArray | None = None

    @property
    def money(self) -> Spent:
        """What was spent on every budget line."""
        return self.spent or Spent(lines=self.lines, spend=self.spend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One forecast and what came of it.

    Attributes:
        line: empty for the portfolio's total.
        horizon: days summed, from the plan's day on.
        planned, spent: money a day.
        promised: mean forecast under the plan.
        given: mean forecast under the money that was really spent.
        p05, p95: its 90 % interval.
        surprise: standard deviations that what came lies above `given`.
        reported: outcome known so far.
        came: the same, corrected for what has not been reported yet.
        complete_share: of the outcome, thought to be reported.
    """

    plan_id: str
    day: date
    line: Line
    horizon: int
    is_published: bool
    planned: float
    spent: float
    promised: float
    given: float
    p05: float
    p95: float
    surprise: float
    reported: float
    came: float
    complete_share: float

    @property
    def is_mature(self) -> bool:
        """Whether enough was reported for the score to count."""
        return self.complete_share >= MATURE

    @property
    def is_inside(self) -> bool:
        """Whether what came lies in the 90 % interval."""
        return self.p05 <= self.came <= self.p95


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Whether a plan's day, or the week that it forecasts, was spent as published.

    Attributes:
        adopted_share: of the planned moves that was really made; None where nothing was moved,
            or so little that it is drowned by what was spent otherwise.
        delivered_share: spent over planned, all lines.
        astray: money that went to other lines than planned, as a share of the plan.
    """

    plan_id: str
    day: date
    adopted_share: float | None
    delivered_share: float
    astray: float


def score_plans(promises: Sequence[Promised], realised: Realised) -> list[Score]:
    """Return the scores of every plan and horizon whose days are over and half reported.

    A line in doubt on one of the days is left out, and the total with it.
    """
    return [score for promise in promises for score in _scores(promise, realised)]


def adoption(promise: Promised, realised: Realised) -> Adoption | None:
    """Return how far the plan's shortest horizon followed it; None where that is not over yet."""
    forecast, money = promise.forecast, realised.money
    row = _row(realised, forecast.day)
    if row is None or row + forecast.horizons[0] > len(realised.days):
        return None
    lines, planned, before = _planned(forecast)
    columns = _columns(lines, money.lines)
    known = columns >= 0
    planned, before = planned[known], before[known]
    spent = money.spend[row : row + forecast.horizons[0], columns[known]].mean(axis=0)
    total, moved = float(planned.sum()), float(np.abs(planned - before).sum())
    share = None
    otherwise = float(np.abs(spent - planned).sum())
    if moved > LEAST_MOVE * max(total, 1e-9) and moved >= LEAST_OF_ASTRAY * otherwise:
        share = float(((spent - before) * np.sign(planned - before)).sum()) / moved
    astray = 0.5 * float(np.abs(spent / max(spent.sum(), 1e-9) - planned / max(total, 1e-9)).sum())
    return Adoption(
        plan_id=promise.plan_id,
        day=forecast.day,
        adopted_share=share,
        delivered_share=float(spent.sum()) / max(total, 1e-9),
        astray=astray,
    )


def _scores(promise: Promised, realised: Realised) -> Iterator[Score]:
    forecast = promise.forecast
    columns = _columns(forecast.lines, realised.lines)
    row = _row(realised, forecast.day)
    if row is None:
        return
    for index, horizon in enumerate(forecast.horizons):
        rows = slice(row, row + horizon)
        if row + horizon > len(realised.days):
            continue
        usable = (columns >= 0) & realised.trusted[rows][:, columns].all(axis=0)
        spend = realised.spend[rows][:, columns].mean(axis=0)
        reported = realised.outcome[rows][:, columns]
        # Each day is corrected by its own share: young days must not count as poor ones.
        came = (reported / np.maximum(realised.complete[rows][:, columns], 1e-3)).sum(axis=0)
        seen = reported.sum(axis=0)
        # A sum is as known as its youngest day.
        share = realised.complete[rows][:, columns].min(axis=0)
        table = np.stack([spend, seen, came])
        table = np.concatenate([table, table.sum(axis=1, keepdims=True)], axis=1)
        table = np.vstack([table, _moved(forecast, index, table[0], realised.money, rows)])
        share = np.append(share, share.min())
        usable = np.append(usable, usable.all())
        for position in np.flatnonzero(usable & (share >= EARLY)).tolist():
            yield _score(promise, index, position, table[:, position], float(share[position]))


def _score(promise: Promised, index: int, position: int, seen: FloatArray, share: float) -> Score:
    forecast = promise.forecast
    spent, reported, came, moved = seen.tolist()
    mean, planned = float(forecast.mean[index, position]), float(forecast.spend[position])
    given = max(mean + moved, 0.05 * mean)
    quantiles = forecast.quantiles[index, position] * (given / max(mean, 1e-12))
    sd = max(float(quantiles[-1] - quantiles[0]) / 3.29, 1e-9)
    n_lines = len(forecast.lines)
    return Score(
        plan_id=promise.plan_id,
        day=forecast.day,
        line=forecast.lines[position] if position < n_lines else (),
        horizon=forecast.horizons[index],
        is_published=promise.is_published,
        planned=planned,
        spent=spent,
        promised=mean,
        given=given,
        p05=float(quantiles[0]),
        p95=float(quantiles[-1]),
        surprise=(came - float(quantiles[LEVELS.index(0.5)])) / sd,
        reported=reported,
        came=came,
        complete_share=share,
    )


def _row(realised: Realised, day: date) -> int | None:
    row = (day - realised.days[0]) // timedelta(days=1)
    return row if 0 <= row < len(realised.days) else None


def _columns(lines: Sequence[Line], known: Sequence[Line]) -> IntArray:
    """Return the place of each line among the known ones, -1 where it is not known any more."""
    place = {line: index for index, line in enumerate(known)}
    return np.array([place.get(line, -1) for line in lines], dtype=np.int64)


def _planned(forecast: Forecast) -> tuple[tuple[Line, ...], FloatArray, FloatArray]:
    """Return the budget lines with what they were to spend a day, and what they spent before."""
    paid = forecast.paid
    if paid is not None:
        return paid.lines, paid.spend, paid.status_quo_spend
    return forecast.lines, forecast.spend[:-1], forecast.status_quo_spend[:-1]


def _moved(
    forecast: Forecast, index: int, spent: FloatArray, money: Spent, rows: slice
) -> FloatArray:
    """Return the outcome that money spent otherwise than planned makes, (n_lines + 1,).

    Within a group of lines it matters on which of them: each has its own slope. What was spent on
    lines that the plan did not know moves its group as all of it does.

    Args:
        index: of the horizon.
        spent: (n_lines + 1,), money a day.
        money: by budget line.
        rows: the days of the horizon.
    """
    otherwise, paid = spent - forecast.spend, forecast.paid
    if paid is None:
        return np.asarray(forecast.slope[index] * otherwise)
    columns = _columns(paid.lines, money.lines)
    known = (columns >= 0) & (paid.group >= 0)
    away = money.spend[rows][:, columns[known]].mean(axis=0) - paid.spend[known]
    group, n_groups = paid.group[known], len(forecast.lines)
    by_line = np.bincount(group, paid.slope[index, known] * away, minlength=n_groups)
    rest = otherwise[:-1] - np.bincount(group, away, minlength=n_groups)
    moved = by_line + forecast.slope[index, :-1] * rest
    return np.append(moved, moved.sum())
