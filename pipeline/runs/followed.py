"""Which of the money was moved by published plans, and which was not spent as they said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray
from pipeline.scoring.scores import Promised, Realised

USUAL_DAYS = 7  # before the first plan: how much of its budget a line spends
SURE = 3.0  # standard errors of the week, by which a line spends otherwise than its budget
UNDER, OVER = 0.5, 1.25
"""Between these, spend over budget is how a line delivers; beyond, its budget was just changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Money on the days since the first published plan, each (n_days, n_lines).

    Attributes:
        without: what would have been spent without a plan: the budgets that the first plan found,
            with whatever people changed since beside the plans.
        moved: the same with the plans' moves, as far as they were made.
        otherwise: money that was spent otherwise than planned, as a share of what was planned.
    """

    without: FloatArray
    moved: FloatArray
    otherwise: float


def follow(table: Realised, first: int, plans: Sequence[Promised]) -> Followed:
    """Return how far the money followed the published plans from the row of the first on.

    A plan stands until the next one. A line made as much of its moves as all its days together
    show, at most all and at least none: what it spends from day to day scatters.
    """
    spent = table.spend[first:]
    planned, without = _planned(table, first, plans)
    delivered = _delivery(table, first, without[0])
    planned, without = planned * delivered, without * delivered
    move = planned - without
    size = (move**2).sum(axis=0)
    made = ((spent - without) * move).sum(axis=0) / np.where(size > 0, size, 1.0)
    away = spent.sum(axis=0) - planned.sum(axis=0)
    return Followed(
        without=without,
        moved=without + np.clip(made, 0.0, 1.0) * move,
        otherwise=float(
            max(away[away > 0].sum(), -away[away < 0].sum()) / max(planned.sum(), 1e-9)
        ),
    )


def _planned(
    table: Realised, first: int, plans: Sequence[Promised]
) -> tuple[FloatArray, FloatArray]:
    """Return what the plan in force said of each day, and what was set but for the plans' moves."""
    place = {line: index for index, line in enumerate(table.lines)}
    shape = table.spend[first:].shape
    planned, without = np.zeros(shape), np.zeros(shape)
    base, last, knew = np.zeros(shape[1]), np.zeros(shape[1]), np.zeros(shape[1], dtype=bool)
    for plan in plans:
        row = table.days.index(plan.forecast.day) - first
        found, asked, knows = np.zeros(shape[1]), np.zeros(shape[1]), np.zeros_like(knew)
        for line, before, after in zip(
            plan.forecast.lines,
            plan.forecast.status_quo_spend[:-1].tolist(),
            plan.forecast.spend[:-1].tolist(),
            strict=True,
        ):
            if line in place:
                column = place[line]
                found[column], asked[column], knows[column] = before, after, True
        # What the plan found otherwise than the last one left it was changed by people.
        base = np.where(knew & knows, np.maximum(base + found - last, 0.0), found)
        last, knew = asked, knows
        planned[row:], without[row:] = asked, base
    return planned, without


def _delivery(table: Realised, first: int, budgets: FloatArray) -> FloatArray:
    """Return what lines usually spend of their budgets, (n_lines,), 1 where that is not told."""
    if first < USUAL_DAYS:
        return np.ones_like(budgets)
    days = table.spend[first - USUAL_DAYS : first] / np.maximum(budgets, 1e-9)
    usual, error = days.mean(axis=0), days.std(axis=0, ddof=1) / np.sqrt(USUAL_DAYS)
    known = (usual > UNDER) & (usual < OVER) & (np.abs(usual - 1) > SURE * error)
    return np.where(known, usual, 1.0)
