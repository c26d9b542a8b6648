"""Which of the money was moved by published plans, and which was not spent as they said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import FloatArray
from pipeline.scoring.scores import Promised, Realised

USUAL_DAYS = 7  # before the first plan: how much of its budget a line spends
SURE = 3.0  # standard errors of the week, by which a line spends otherwise than its budget
UNDER, OVER = 0.5, 1.25
"""Between these, spend over budget is how a line delivers; beyond, its budget was just changed."""

NEWEST_DAYS, LATELY_DAYS = 3, 7
HARDLY = 0.3  # of what plans moved
LEAST_MOVED = 0.1  # of the money, both ways: less tells nothing
LEAST_SCATTER = 0.05  # of what a line spends from day to day


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


def not_followed(table: Realised, promises: Sequence[Promised]) -> tuple[Finding, ...]:
    """Return a finding where the money is not where published plans put it.

    Plans go on from the plan in force, so ones that nobody carries out wander away from the money.
    Nothing is said of outcomes that are known for groups of lines.
    """
    plans = [item for item in promises if item.is_published and item.forecast.day in table.days]
    if table.spent is not None or not plans:
        return ()
    lately = table.days[-1] - timedelta(days=LATELY_DAYS - 1)
    since = (plans, [plan for plan in plans if plan.forecast.day >= lately])
    first = table.days.index(plans[0].forecast.day)
    planned, without = _planned(table, first, plans)
    in_force = np.vstack([np.repeat(without[:1], first, axis=0), planned])
    told = [
        (share, some)
        for some in since
        if (share := _made_by_now(table, some, in_force)) is not None
    ]
    share, some = min(told, key=itemgetter(0), default=(1.0, plans))
    if share >= HARDLY:
        return ()
    return (
        Finding(
            level=Level.REVIEW,
            check="not-followed",
            message=f"spend: of the money that the {len(some)} plans in force since "
            f"{some[0].forecast.day} moved, {share:.0%} is where they put it; plans go on from "
            "what they say, not from what is spent",
            advice="set on the platform what plans say, or look why it is not carried out; if "
            "people keep other budgets on purpose, have finance fix those",
            source="spend",
            column="spend",
            value=f"{share:.2f}",
        ),
    )


def _made_by_now(table: Realised, plans: Sequence[Promised], in_force: FloatArray) -> float | None:
    """Return how much of what plans moved between lines is there on the newest days.

    None where it is little, or where all of it may be there, for all that spend scatters. Line by
    line at most all of it and at least none. Days on which a line rests say nothing of it. Lines
    are held against the sum of all, which is another one where a month is paced, or where all
    spend more or less than they are given.

    Args:
        in_force: (n_days, n_lines), budgets; before the first plan those that it found.
    """
    if len(plans) < NEWEST_DAYS:
        return None
    first = table.days.index(plans[0].forecast.day)
    planned, without = _planned(table, first, plans)
    delivered = _delivery(table, first, in_force[max(first - USUAL_DAYS, 0) : first])
    money = (planned * delivered, without * delivered, table.spend[first:])
    asked, before, spent = (item[-NEWEST_DAYS:] for item in money)
    counts = (spent > 0) | (before <= 0)
    asked, before, spent = (
        (item * counts).sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
        for item in (asked, before, spent)
    )
    if min(asked.sum(), before.sum(), spent.sum()) <= 0:
        return None
    asked, before, spent = (item / item.sum() for item in (asked, before, spent))
    move = asked - before
    size = float(np.abs(move).sum())
    if size < LEAST_MOVED:
        return None
    rows = slice(-USUAL_DAYS, None)
    scatter = (table.spend[rows] / np.maximum(in_force[rows], 1e-9)).std(axis=0, ddof=1)
    largest = np.maximum(np.maximum(asked, before), 1e-9)
    weight = 1 / np.square(largest * np.maximum(scatter, LEAST_SCATTER))
    known = NEWEST_DAYS * float((weight * move**2).sum())
    there = NEWEST_DAYS * float((weight * (spent - before) * move).sum()) / known
    if there + SURE / np.sqrt(known) > 1.0:
        return None
    made = np.clip((spent - before) / np.where(move == 0, 1.0, move), 0.0, 1.0)
    return float((made * np.abs(move)).sum()) / size


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
    """Return what lines usually spend of their budgets, (n_lines,), 1 where that is not told.

    Args:
        budgets: (n_lines,), or of each of the days before `first`.
    """
    if first < USUAL_DAYS:
        return np.ones(table.spend.shape[1])
    days = table.spend[first - USUAL_DAYS : first] / np.maximum(budgets, 1e-9)
    usual, error = days.mean(axis=0), days.std(axis=0, ddof=1) / np.sqrt(USUAL_DAYS)
    known = (usual > UNDER) & (usual < OVER) & (np.abs(usual - 1) > SURE * error)
    return np.where(known, usual, 1.0)
