"""What a page may show beyond the signed plan: curves, history, pacing, past promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.history import History
from pipeline.core.plan import Interval, Plan
from pipeline.core.types import FloatArray, Line

HISTORY_DAYS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What tomorrow's spend earns on one line; value and band over a grid of spends.

    Attributes:
        spend, mean, p05, p95: (n_points,), spend ascending from 0.
        points_spend, points_value: (n_days,) what single past days say of the same curve, net of
            demand and of what comes without spend, where the model can tell.
    """

    spend: FloatArray
    mean: FloatArray
    p05: FloatArray
    p95: FloatArray
    points_spend: FloatArray | None = None
    points_value: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDays:
    """The last days of one line as they were reported, oldest first, each (n_days,)."""

    spend: FloatArray
    outcome: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCap:
    """A cap that finance has not decided, and what is held because of it."""

    id: str
    scope: Mapping[str, str]
    proposed_by: str
    min: float | None = None
    max: float | None = None
    fixed: float | None = None
    reason: str = ""
    held_lines: int | None = None
    held_money: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """Expected outcome of the best split at other budgets, each (n_points,)."""

    budget: FloatArray
    mean: FloatArray
    p05: FloatArray
    p95: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How the month's money runs: amounts in account currency."""

    label: str
    budget: float
    spent: float
    planned_by_now: float
    forecast: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What an earlier plan promised for its day and what came.

    `adopted_share` is how much of the planned move was really spent; `complete_share` how much
    of the day's outcome is thought to have been reported by now.
    """

    day: date
    plan_id: str
    promised: Interval
    realised: float | None = None
    adopted_share: float | None = None
    complete_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportExtras:
    """All of it optional: a page without extras is complete, only plainer.

    Attributes:
        curves, past: by line.
        cap_costs: cap id -> outcome per day that the plan would gain without this cap.
        exploration_cost: outcome given up in order to learn.
        previous: the plan that was proposed before this one.
        expires: when the plan can no longer be signed, as the page says it.
        undo: how to take the plan back once it is signed, in one sentence.
    """

    curves: Mapping[Line, Curve] = field(default_factory=dict)
    past: Mapping[Line, PastDays] = field(default_factory=dict)
    waiting_caps: Sequence[WaitingCap] = ()
    cap_costs: Mapping[str, float] = field(default_factory=dict)
    frontier: Frontier | None = None
    pacing: Pacing | None = None
    promises: Sequence[Promise] = ()
    exploration_cost: float | None = None
    previous: Plan | None = None
    expires: str = ""
    undo: str = ""


def curves_of(table: ResponseTable) -> dict[Line, Curve]:
    """Return every line's curve with its 90 % band from the posterior draws."""
    low, high = np.quantile(table.value, (0.05, 0.95), axis=0)
    mean = table.mean()
    return {
        line: Curve(spend=table.spend[i], mean=mean[i], p05=low[i], p95=high[i])
        for i, line in enumerate(table.lines)
    }


def past_of(history: History, metric: str, n_days: int = HISTORY_DAYS) -> dict[Line, PastDays]:
    """Return every line's last days; days that are not trusted have no outcome (NaN)."""
    outcome = np.where(history.trusted, history.outcomes[metric], np.nan)
    return {
        line: PastDays(spend=history.spend[-n_days:, i], outcome=outcome[-n_days:, i])
        for i, line in enumerate(history.lines)
    }
