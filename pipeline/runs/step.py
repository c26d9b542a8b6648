"""How far a night goes from what is set towards the best split, and whether it goes at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.allocation.problem import Problem
from pipeline.allocation.solution import Solution
from pipeline.allocation.solve import is_allowed
from pipeline.allocation.step import choose_step
from pipeline.core.curves import ResponseTable
from pipeline.core.types import FloatArray

if TYPE_CHECKING:
    from pipeline.runs.decide import Facts


def take_step(
    facts: Facts, problem: Problem, solution: Solution, table: ResponseTable
) -> tuple[FloatArray, bool]:
    """Return the budgets some way towards the optimum, (n_lines,), and whether to hold."""
    start = status_quo(problem, without_lessons(facts))
    if start is None:
        return solution.spend, False
    budgets = choose_step(
        start,
        solution.spend,
        table,
        kappa=facts.policy.risk_aversion,
        min_probability=facts.policy.min_probability,
    )
    moved = float(np.abs(budgets - start).sum())
    return budgets, moved < 1e-9 * max(problem.budget, 1.0)


def without_lessons(facts: Facts) -> FloatArray:
    """Return today's budgets without what is on them to learn only, (n_lines,)."""
    if facts.explored is None:
        return facts.current
    return np.maximum(facts.current - facts.explored, 0.0)


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
