"""How far a night goes from what is set towards the best split, and whether it goes at all."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from pipeline.allocation.pairs import Pair
from pipeline.allocation.problem import Problem
from pipeline.allocation.solution import Solution
from pipeline.allocation.solve import is_allowed
from pipeline.allocation.step import choose_step
from pipeline.core.curves import ResponseTable
from pipeline.core.money import minor_digits
from pipeline.core.types import FloatArray
from pipeline.runs.exploring import money_of_lessons

if TYPE_CHECKING:
    from pipeline.runs.decide import Facts

TRIFLE = 1e-3
"""Of the day's money: a night that moves no more of it has found nothing new."""

TRIFLE_OF_LINE = 0.01
"""Of a line's budget: what it may change by in such a night, or by two minor units."""


def take_step(
    facts: Facts, problem: Problem, solution: Solution, table: ResponseTable
) -> FloatArray:
    """Return the budgets some way towards the optimum, (n_lines,)."""
    start = status_quo(problem, without_lessons(facts))
    if start is None:
        return solution.spend
    return choose_step(
        start,
        solution.spend,
        table,
        kappa=facts.policy.risk_aversion,
        min_probability=facts.policy.min_probability,
    )


def without_lessons(facts: Facts) -> FloatArray:
    """Return today's budgets without what is on them to learn only, (n_lines,)."""
    if facts.explored is None:
        return facts.current
    return np.maximum(facts.current - facts.explored, 0.0)


def left_to_move(facts: Facts, problem: Problem, step: FloatArray) -> float:
    """Return the money that a step moves between lines, what only lessons move left aside."""
    start = status_quo(problem, without_lessons(facts))
    return 0.0 if start is None else 0.5 * float(np.abs(step - start).sum())


def is_trifle(
    facts: Facts,
    problem: Problem,
    budgets: FloatArray,
    explored: FloatArray,
    pairs: Collection[Pair] = (),
) -> bool:
    """Return whether a night does no more than carry along what has drifted by a trifle.

    Nobody should sign a move of cents. Where a limit or the day's money asks for one, where a
    lesson begins or ends, or where a line changes noticeably, it is none.

    Args:
        budgets: (n_lines,), as they would be proposed, lessons included.
        explored: (n_lines,), what of them is there to learn.
        pairs: of the night's lessons.
    """
    unit = 10.0 ** -minor_digits(facts.policy.currency)
    change = np.abs(budgets - facts.current)
    before = np.zeros_like(budgets) if facts.explored is None else facts.explored
    return (
        0.5 * float(change.sum()) <= max(TRIFLE * problem.budget, 2 * unit)
        and bool((change <= np.maximum(TRIFLE_OF_LINE * facts.current, 2 * unit)).all())
        and np.array_equal(_signs(explored, unit), _signs(before, unit))
        and money_of_lessons(facts).keys() >= set(pairs)
        and is_allowed(problem, facts.current)
    )


def _signs(amounts: FloatArray, unit: float) -> FloatArray:
    return np.sign(np.where(np.abs(amounts) < unit / 2, 0.0, amounts))


def status_quo(problem: Problem, current: FloatArray) -> FloatArray | None:
    """Return the allowed split that is nearest to today's in proportion, or None."""
    low, high = problem.lower, problem.upper
    target = problem.budget if problem.exactly else min(problem.budget, float(current.sum()))
    if not low.sum() - 1e-6 <= target <= high.sum() + 1e-6:
        return None
    left, right = 0.0, 4.0
    for _ in range(100):
        scale = (left + right) / 2
        if np.clip(current * scale, low, high).sum() < target:
            left = scale
        else:
            right = scale
    split = np.clip(current * (left + right) / 2, low, high)
    free = (split > low) & (split < high)
    if free.any():
        split[free] += (target - split.sum()) * split[free] / split[free].sum()
    if abs(split.sum() - target) > 1e-6 * max(target, 1.0) or not is_allowed(problem, split):
        return None
    return split
