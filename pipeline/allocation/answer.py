"""From a request to the JSON that `equimarginal allocate` prints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.allocation.document import Request
from pipeline.allocation.goals import in_whole_units, least_spend
from pipeline.allocation.problem import Problem
from pipeline.allocation.risk import Risk, solve_with_risk
from pipeline.allocation.rounding import round_spend
from pipeline.allocation.solution import (
    FEASIBLE,
    OPTIMAL,
    Solution,
    relative_gap,
    status_of,
)
from pipeline.allocation.solve import CERTIFIED, solve
from pipeline.allocation.work import Work
from pipeline.core.errors import InfeasibleError, UndecidedError
from pipeline.core.types import FloatArray, JsonObject


def answer(request: Request, work: Work | None = None) -> JsonObject:
    """Return the answer to a request as JSON values.

    Args:
        work: how long the search may go on.

    Raises:
        InfeasibleError: no plan can obey the limits.
        UndecidedError: the work ended before a plan was found, or proven impossible.
    """
    out = _answered(request, Work() if work is None else work)
    if request.pace is not None:
        pace = request.pace
        out["pacing"] = {
            "today": pace.today,
            "planned_to_date": pace.planned_to_date,
            "ahead": pace.ahead,
        }
    return out


def _answered(request: Request, work: Work) -> JsonObject:
    problem = request.problem
    if request.risk is not None:
        return _risky(problem, request.risk, request, work)
    if request.target is not None:
        return _cheapest(problem, request.target, request, work)
    solution = solve(problem, work=work)
    return _solved(problem, solution, _rounded(request, solution.spend), _earned(problem))


def _cheapest(problem: Problem, target: float, request: Request, work: Work) -> JsonObject:
    """Return the answer where an outcome is to be reached: gap and status are those of money."""
    least = least_spend(problem, target, work)
    if request.unit is not None:
        least = in_whole_units(problem, target, least, request.unit, work)
    out = _solved(problem, least.solution, least.spend, _earned(problem))
    gap = max(least.total - least.lower_bound, 0.0) / least.total if least.total > 0 else 0.0
    return {
        **out,
        "status": status_of(gap <= CERTIFIED, work),
        "goal": "least spend",
        "outcome": out["objective"],
        "lower_bound": least.lower_bound,
        "gap": gap,
    }


def _risky(problem: Problem, risk: Risk, request: Request, work: Work) -> JsonObject:
    """Return the answer where chance counts: the objective is what was asked to be weighed."""
    solution = solve_with_risk(problem, risk, work)
    spend = _rounded(request, solution.spend)
    drawn = risk.outcomes(spend)
    low, high = np.quantile(drawn, (0.05, 0.95))
    return {
        **_solved(problem, solution, spend, lambda plan: risk.measure(risk.outcomes(plan))),
        "outcome": {"mean": float(drawn.mean()), "p05": float(low), "p95": float(high)},
    }


def refusal(error: InfeasibleError) -> JsonObject:
    """Return what is printed where the limits contradict each other."""
    return {"status": "infeasible", "conflict": list(error.conflict), "message": str(error)}


def _rounded(request: Request, spend: FloatArray) -> FloatArray:
    if request.unit is None:
        return spend
    whole = round_spend(request.problem, spend, request.unit)
    if broken := request.problem.broken(whole):
        names = ", ".join(rail.id for rail in broken)
        raise UndecidedError(
            f"rounding: no amounts in whole units of {request.unit:g} near the best plan keep "
            f"{names}; give a smaller unit, or ease the guardrail by what one unit changes"
        )
    return whole


def _earned(problem: Problem) -> Callable[[FloatArray], float]:
    return lambda spend: float(problem.curves.value(spend).sum())


def _solved(
    problem: Problem,
    solution: Solution,
    spend: FloatArray,
    measure: Callable[[FloatArray], float],
) -> JsonObject:
    """Return a plan as JSON values, judged as it is: the proof is held against its own outcome.

    Args:
        spend: the solution's, or whole amounts near it that keep the same limits.
        measure: what a split earns, in what the solution's bound counts.
    """
    objective = measure(spend)
    bound = max(solution.upper_bound, objective)  # a legal plan is above it by rounding at most
    gap = relative_gap(objective, bound, solution.least)
    is_worse = spend is not solution.spend and gap > CERTIFIED
    marginal = problem.curves.marginal(spend)
    return {
        "status": FEASIBLE if is_worse and solution.status == OPTIMAL else solution.status,
        "spend": dict(zip(problem.ids, spend.tolist(), strict=True)),
        "total_spend": float(spend.sum()),
        "objective": objective,
        "upper_bound": bound,
        "gap": gap,
        "prices": {name: _finite(price) for name, price in sorted(solution.prices.items())},
        "marginal_return": dict(zip(problem.ids, map(_finite, marginal.tolist()), strict=True)),
        "binding": {
            name: list(limits)
            for name, limits in zip(problem.ids, solution.binding, strict=True)
            if limits
        },
        "guardrails": {
            rail.id: {"limit": rail.limit, "value": problem.ratio(rail, spend)}
            for rail in problem.guardrails
        },
    }


def _finite(number: float) -> float | None:
    """Return a number as JSON can say it; None where a curve rises without end."""
    return number if np.isfinite(number) else None
