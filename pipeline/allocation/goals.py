"""Goals other than the most outcome for the budget, and what every budget would earn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.allocation.problem import BUDGET, OUTCOME, Guardrail, Problem, Quantity
from pipeline.allocation.rounding import round_spend
from pipeline.allocation.solution import Solution
from pipeline.allocation.solve import solve
from pipeline.allocation.work import Work
from pipeline.core.errors import ConfigError, InfeasibleError, UndecidedError
from pipeline.core.types import FloatArray

_STEPS = 80
_BOUND_STEPS = 14
_CLOSE = 1e-10
_WHOLE = 1e-6  # of a unit: closer than this to a whole number is that number
_GOAL = "the outcome to reach"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastSpend:
    """The least money that reaches a target.

    Attributes:
        solution: the best plan for that money.
        spend: (n_lines,), the solution's, or whole amounts near it.
        lower_bound: no smaller budget, or whole amount of money, can reach the target.
    """

    solution: Solution
    spend: FloatArray
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
    return LeastSpend(
        solution=best,
        spend=best.spend,
        total=float(best.spend.sum()),
        lower_bound=min(proven, high),
    )


def in_whole_units(
    problem: Problem, target: float, least: LeastSpend, unit: float, work: Work
) -> LeastSpend:
    """Return the cheapest plan found in whole units that still reaches the target.

    Args:
        least: the answer without units; fewer units than its money cannot do.

    Raises:
        UndecidedError: no whole amounts were found that reach it.
    """
    goal = Guardrail(id=_GOAL, over=Quantity(metric=OUTCOME), min=target)
    aimed = problem.changed(guardrails=(*problem.guardrails, goal))
    first = math.ceil(least.total / unit - _WHOLE)
    proven = math.ceil(least.lower_bound / unit - _WHOLE) * unit
    most = min(problem.budget, float(problem.upper.sum())) / unit + _WHOLE
    short, count, step, best = first - 1, first, 1, None
    while best is None and count <= most:
        best = _whole_plan(problem, aimed, count * unit, unit, work)
        if best is None:
            last = math.floor(most)
            short, count, step = (
                count,
                last if count < last < count + step else count + step,
                2 * step,
            )
    if best is None:
        raise UndecidedError(
            f"rounding: no amounts in whole units of {unit:g} were found that reach an outcome of "
            f"{target:g}, which takes {least.total:g}; give a smaller unit or a larger budget"
        )
    while count - short > 1:
        middle = (short + count) // 2
        found = _whole_plan(problem, aimed, middle * unit, unit, work)
        best, short, count = (best, middle, count) if found is None else (found, short, middle)
    solution, spend = best
    total = float(spend.sum())
    return LeastSpend(solution=solution, spend=spend, total=total, lower_bound=min(proven, total))


def _whole_plan(
    problem: Problem, aimed: Problem, budget: float, unit: float, work: Work
) -> tuple[Solution, FloatArray] | None:
    """Return the best plan of a budget, and whole amounts near it that keep what is aimed at."""
    solution = _try_budget(problem, budget, work).solution
    if solution is None:
        return None
    smaller = aimed.changed(budget=budget, exactly=False, current=None)
    try:
        spend = round_spend(smaller, solution.spend, unit)
    except InfeasibleError:
        return None
    return None if smaller.broken(spend) else (solution, spend)


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
