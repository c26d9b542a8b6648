"""Money seen from further away: other budgets than tonight's, and the month around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.io.reports.curves import CurveChart, MonthChart, frontier_chart, month_chart
from pipeline.io.reports.extras import Frontier, Pacing
from pipeline.io.reports.words import percent

SHOWN = np.array([0.8, 0.9, 1.0, 1.1, 1.2])
"""Budgets that get a row, as shares of tonight's, beside the least and the most."""

ON_TRACK = 0.02
"""Share of the month's budget within which a deviation is not worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherBudget:
    """One budget that could have been: `change` and `gain` are against tonight's.

    At the end of what tonight's limits allow (`is_most`) there is no next unit to earn anything.
    """

    budget: float
    change: float
    gain: float
    price: float | None
    is_tonight: bool
    is_most: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierView:
    """What other budgets would earn, drawn and in a few rows."""

    chart: CurveChart
    rows: Sequence[OtherBudget]


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingView:
    """The month so far: shares are positions on a bar, `verdict` is one sentence."""

    pacing: Pacing
    chart: MonthChart | None
    spent: str
    planned: str
    verdict: str


def frontier_view(frontier: Frontier, budget: float) -> FrontierView:
    """Return the outcome of other budgets against tonight's."""
    budgets, means = np.asarray(frontier.budget), np.asarray(frontier.mean)
    here = float(np.interp(budget, budgets, means))
    prices = frontier.price or (None,) * budgets.size
    wanted = np.array([budgets[0], *(budget * SHOWN), budgets[-1]])
    shown = sorted({int(np.abs(budgets - amount).argmin()) for amount in wanted})
    return FrontierView(
        chart=frontier_chart(frontier, budget),
        rows=[
            OtherBudget(
                budget=float(budgets[row]),
                change=float(budgets[row]) - budget,
                gain=float(means[row]) - here,
                price=prices[row],
                is_most=row == budgets.size - 1
                and (prices[row] or 0.0) <= 0
                and bool(frontier.price),
                is_tonight=bool(abs(budgets[row] - budget) <= 1e-6 * max(budget, 1.0)),
            )
            for row in shown
        ],
    )


def pacing_view(pacing: Pacing) -> PacingView:
    """Return how the month runs."""
    ahead = pacing.spent - pacing.planned_by_now
    share = ahead / pacing.budget if pacing.budget else 0.0
    if abs(share) <= ON_TRACK:
        verdict = "The month is on track."
    else:
        side = "ahead of" if share > 0 else "behind"
        verdict = f"The month is {percent(abs(share))} of its budget {side} what was planned."
    return PacingView(
        pacing=pacing,
        chart=month_chart(pacing),
        spent=_part(pacing.spent, pacing.budget),
        planned=_part(pacing.planned_by_now, pacing.budget),
        verdict=verdict,
    )


def _part(value: float, whole: float) -> str:
    return f"{100 * min(max(value / whole, 0.0), 1.0):.1f}%" if whole else "0%"
