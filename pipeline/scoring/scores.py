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


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A past plan and what it promised."""

    plan_id: str
    is_published: bool
    forecast: Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """What happened, as known by now.

    Attributes:
        days: consecutive.
        lines: of the second axes.
        spend, outcome: (n_days, n_lines), as reported.
        complete: (n_days, n_lines), share of the outcome that is thought to be reported.
        trusted: (n_days, n_lines), False where a fault forbids a comparison.
    """

    days: tuple[date, ...]
    lines: tuple[Line, ...]
    spend: FloatArray
    outcome: FloatArray
    complete: FloatArray
    trusted: BoolArray


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
    """Whether a plan's day was spent as published.

    Attributes:
        adopted_share: of the planned moves that was really made; None where nothing was moved.
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
    """Return how far the plan's own day followed it; None where the day is not known yet."""
    row = _row(realised, promise.forecast.day)
    if row is None:
        return None
    forecast, columns = promise.forecast, _columns(promise.forecast, realised)
    known = columns >= 0
    planned, before = forecast.spend[:-1][known], forecast.status_quo_spend[:-1][known]
    spent = realised.spend[row, columns[known]]
    total, moved = float(planned.sum()), float(np.abs(planned - before).sum())
    share = None
    if moved > LEAST_MOVE * max(total, 1e-9):
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
    forecast, columns = promise.forecast, _columns(promise.forecast, realised)
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
        share = np.append(share, share.min())
        usable = np.append(usable, usable.all())
        for position in np.flatnonzero(usable & (share >= EARLY)).tolist():
            yield _score(promise, index, position, table[:, position], float(share[position]))


def _score(promise: Promised, index: int, position: int, seen: FloatArray, share: float) -> Score:
    forecast = promise.forecast
    spent, reported, came = seen.tolist()
    mean, planned = float(forecast.mean[index, position]), float(forecast.spend[position])
    slope = float(forecast.slope[index, position])
    given = max(mean + slope * (spent - planned), 0.05 * mean)
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


def _columns(forecast: Forecast, realised: Realised) -> IntArray:
    """Return the column of each forecast line, -1 where it is not known any more."""
    place = {line: index for index, line in enumerate(realised.lines)}
    return np.array([place.get(line, -1) for line in forecast.lines], dtype=np.int64)
