"""From a request to the JSON that `equimarginal allocate` prints."""

from __future__ import annotations

import numpy as np

from pipeline.allocation.document import Request
from pipeline.allocation.goals import least_spend
from pipeline.allocation.problem import Problem
from pipeline.allocation.risk import Risk, solve_with_risk
from pipeline.allocation.rounding import round_spend
from pipeline.allocation.solution import Solution, relative_gap, status_of
from pipeline.allocation.solve import CERTIFIED, solve
from pipeline.allocation.work import Work
from pipeline.core.errors import InfeasibleError
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
        least = least_spend(problem, request.target, work)
        out = _solved(problem, least.solution, _rounded(request, least.solution.spend))
        total = float(np.sum(list(out["spend"].values())))
        gap = max(total - least.lower_bound, 0.0) / total if total > 0 else 0.0
        status = status_of(gap <= CERTIFIED, work)
        return {
            **out,
            "status": status,
            "goal": "least spend",
            "outcome": out["objective"],
            "total_spend": total,
            "lower_bound": least.lower_bound,
            "gap": gap,
        }
    solution = solve(problem, work=work)
    out = _solved(problem, solution, _rounded(request, solution.spend))
    return {**out, "total_spend": float(np.sum(list(out["spend"].values())))}


def _risky(problem: Problem, risk: Risk, request: Request, work: Work) -> JsonObject:
    """Return the answer where chance counts: the objective is what was asked to be weighed."""
    solution = solve_with_risk(problem, risk, work)
    spend = _rounded(request, solution.spend)
    drawn = risk.outcomes(spend)
    objective = risk.measure(drawn)
    bound = max(solution.upper_bound, objective)
    low, high = np.quantile(drawn, (0.05, 0.95))
    return {
        **_solved(problem, solution, spend),
        "objective": objective,
        "upper_bound": bound,
        "gap": relative_gap(objective, bound),
        "outcome": {"mean": float(drawn.mean()), "p05": float(low), "p95": float(high)},
        "total_spend": float(spend.sum()),
    }


def refusal(error: InfeasibleError) -> JsonObject:
    """Return what is printed where the limits contradict each other."""
    return {"status": "infeasible", "conflict": list(error.conflict), "message": str(error)}


def _rounded(request: Request, spend: FloatArray) -> FloatArray:
    if request.unit is None:
        return spend
    return round_spend(request.problem, spend, request.unit)


def _solved(problem: Problem, solution: Solution, spend: FloatArray) -> JsonObject:
    objective = float(problem.curves.value(spend).sum())
    bound = max(solution.upper_bound, objective)
    gap = relative_gap(objective, bound, solution.least)
    marginal = problem.curves.marginal(spend)
    return {
        "status": solution.status,
        "spend": dict(zip(problem.ids, spend.tolist(), strict=True)),
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
