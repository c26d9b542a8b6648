"""Goals other than the most outcome for the budget, and what every budget would earn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.allocation.problem import BUDGET, Problem
from pipeline.allocation.solution import Solution
from pipeline.allocation.solve import solve
from pipeline.allocation.work import Work
from pipeline.core.errors import ConfigError, InfeasibleError, UndecidedError
from pipeline.core.types import FloatArray

_STEPS = 80
_BOUND_STEPS = 14
_CLOSE = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastSpend:
    """The least money that reaches a target.

    Attributes:
        lower_bound: no smaller budget can reach the target.
    """

    solution: Solution
    total: float
    lower_bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPoint:
    """One point of the portfolio's outcome-against-budget curve.

    Attributes:
        spend: (n_lines,), the split that earns it.
        price: outcome that the next unit of money would earn.
    """

    budget: float
    spend: FloatArray
    outcome: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """What a budget can earn: the best plan, if one was found, and what none exceeds."""

    solution: Solution | None
    bound: float


def least_spend(problem: Problem, target: float, work: Work | None = None) -> LeastSpend:
    """Return the cheapest plan whose outcome is at least `target`.

    The most that a budget earns rises with the budget, so the answer is a root; its own price
    gives Newton steps inside a bracket. A budget that the limits cannot live on is too small.

    Args:
        work: how long the search may go on.

    Raises:
        InfeasibleError: no plan can obey the limits, or none that does earns that much.
        UndecidedError: the work ended before any plan was found, or proven impossible.
    """
    work = Work() if work is None else work
    most = problem.budget
    if not np.isfinite(most):  # more than any limits ask for, so that it contradicts none of them
        most = float(problem.upper.sum()) + sum(group.min for group in problem.groups)
    if not np.isfinite(most):
        raise ConfigError("goal: to find the least spend, give a budget or a max on every line")
    best = _at_budget(problem, most, work)
    if best.objective < target * (1 - 1e-12):
        raise InfeasibleError(
            f"an outcome of {target:g} cannot be reached: all limits allow is {best.objective:g} "
            f"for {float(best.spend.sum()):g}; lower the target or raise a cap",
            conflict=("goal outcome", BUDGET) if np.isfinite(problem.budget) else ("goal outcome",),
        )
    high = float(best.spend.sum())
    low = proven = min(_least_budget(problem), high)
    step: float | None = low
    for _ in range(_STEPS):
        if high - low <= _CLOSE * high or work.is_over:
            break
        middle = low + (high - low) / 2 if step is None else step
        found = _try_budget(problem, middle, work)
        plan = found.solution
        if plan is not None and plan.objective >= target:
            best, high = plan, min(middle, float(plan.spend.sum()))
        else:
            low, proven = middle, middle if found.bound < target else proven
        step = None if plan is None else _newton(plan, middle, target)
        step = step if step is not None and low < step < high else None
    proven = _raised(problem, target, proven, high, work)
    return LeastSpend(solution=best, total=float(best.spend.sum()), lower_bound=min(proven, high))


def outcome_curve(problem: Problem, budgets: Sequence[float]) -> list[BudgetPoint]:
    """Return what each budget would earn at most, and what its next unit of money would.

    Budgets that the limits cannot spend are left out.
    """
    points = []
    for budget in budgets:
        try:
            found = solve(problem.changed(budget=float(budget), current=None))
        except InfeasibleError:
            continue
        points.append(
            BudgetPoint(
                budget=float(budget),
                spend=found.spend,
                outcome=found.objective,
                price=found.prices[BUDGET],
            )
        )
    return points


def _newton(plan: Solution, budget: float, target: float) -> float | None:
    price = plan.prices[BUDGET]
    return budget + (target - plan.objective) / price * (1 + 1e-13) if price > 0 else None


def _raised(problem: Problem, target: float, proven: float, high: float, work: Work) -> float:
    """Return a larger budget that is still proven too small, where the bound leaves room."""
    above = high
    for _ in range(_BOUND_STEPS):
        if above - proven <= _CLOSE * high or work.is_over:
            break
        middle = (proven + above) / 2
        if _try_budget(problem, middle, work).bound < target:
            proven = middle
        else:
            above = middle
    return proven


def _try_budget(problem: Problem, budget: float, work: Work) -> _Tried:
    try:
        found = _at_budget(problem, budget, work, explain=False)
    except InfeasibleError:
        return _Tried(solution=None, bound=-np.inf)
    except UndecidedError:
        return _Tried(solution=None, bound=np.inf)
    return _Tried(solution=found, bound=found.upper_bound)


def _at_budget(problem: Problem, budget: float, work: Work, *, explain: bool = True) -> Solution:
    smaller = problem.changed(budget=budget, exactly=False, current=None)
    return solve(smaller, explain=explain, work=work)


def _least_budget(problem: Problem) -> float:
    """Return a budget that no plan can go below: floors, nested ones counted once."""
    floors = float(problem.lower.sum())
    return max([floors, *(group.min for group in problem.groups)])
