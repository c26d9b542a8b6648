"""What the plan leaves open: what each cap costs, and what other budgets would earn.

Both are found by solving again, not from prices at the edge: a price holds for the next unit of
money alone, and a cap that is lifted frees all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pipeline.allocation.goals import outcome_curve
from pipeline.allocation.solution import Solution
from pipeline.core.caps import Cap
from pipeline.core.errors import InfeasibleError
from pipeline.core.plan import Plan
from pipeline.core.types import FloatArray
from pipeline.runs.decide import Decision, Facts, Models, best_split
from pipeline.runs.limits import attainable

MOST_CAPS = 24
"""Caps whose cost is found, the dearest by their price first: each takes a solution of its own."""

SHARES = np.arange(0.5, 1.51, 0.05).round(2)
"""Other budgets that are tried, as shares of tonight's, as far as tonight's limits allow them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherBudgets:
    """What the best split of other budgets earns a day, (n_budgets,) each, ascending.

    Attributes:
        price: outcome that the next unit of money would earn there.
    """

    budget: FloatArray
    mean: FloatArray
    p05: FloatArray
    p95: FloatArray
    price: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """The best split without one cap, all other limits as they are.

    Attributes:
        gain: outcome a day that it earns more.
        total: what it spends, which may be more where the cap kept money from being placed.
    """

    gain: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What tonight's plan leaves open, in outcome a day.

    Attributes:
        cap_costs: cap id -> what the cap costs tonight.
        learning_cost: given up in order to learn.
    """

    cap_costs: Mapping[str, float]
    learning_cost: float
    other_budgets: OtherBudgets | None


def look_out(facts: Facts, models: Models, decision: Decision, plan: Plan) -> Outlook:
    """Return what the plan leaves open."""
    return Outlook(
        cap_costs=cap_costs(facts, models, decision, plan),
        learning_cost=learning_cost(decision),
        other_budgets=other_budgets(decision),
    )


def cap_costs(facts: Facts, models: Models, decision: Decision, plan: Plan) -> dict[str, float]:
    """Return what tonight's plan would earn more a day without each cap that binds, by cap id.

    Every other limit stays, the daily change limit included, so this is what the cap costs
    tonight; over some nights it costs more.
    """
    prices = {cap.id: abs(cap.shadow_price) for cap in plan.caps if cap.binding}
    dearest = sorted(
        (cap for cap in facts.caps if cap.id in prices), key=lambda cap: (-prices[cap.id], cap.id)
    )
    costs = {}
    for cap in dearest[:MOST_CAPS]:
        lifted = lift(facts, models, decision.solution, cap)
        if lifted is not None and lifted.total <= decision.total * (1 + 1e-9):
            costs[cap.id] = lifted.gain
    return costs


def lift(facts: Facts, models: Models, here: Solution, cap: Cap) -> Lifted | None:
    """Return what the best split is without a cap; None where the other limits contradict.

    Args:
        here: the best split with it.
    """
    others = tuple(other for other in facts.caps if other.id != cap.id)
    try:
        without = best_split(replace(facts, caps=others), models)
    except InfeasibleError:
        return None
    return Lifted(gain=max(without.solution.objective - here.objective, 0.0), total=without.total)


def other_budgets(decision: Decision) -> OtherBudgets | None:
    """Return what other budgets would earn inside tonight's limits; None where none can be."""
    low, high = attainable(decision.limits)
    if not high > low * (1 + 1e-6) + 1e-6:
        return None
    shares = decision.total * SHARES
    near = 0.01 * decision.total  # of an end: two points for one
    wanted = [low, *shares[(shares > low + near) & (shares < high - near)], high]
    points = outcome_curve(decision.problem, wanted)
    if len(points) < 2:
        return None
    value = np.array([decision.table.total(point.spend) for point in points])
    p05, p95 = np.quantile(value, (0.05, 0.95), axis=1)
    return OtherBudgets(
        budget=np.array([point.budget for point in points]),
        mean=np.array([point.outcome for point in points]),
        p05=p05,
        p95=p95,
        price=np.array([max(point.price, 0.0) for point in points]),
    )


def learning_cost(decision: Decision) -> float:
    """Return the outcome a day that is given up tonight in order to learn; 0 where nothing is."""
    planned = decision.table.total(decision.budgets).mean()
    without = decision.table.total(decision.budgets - decision.explored).mean()
    return max(float(without - planned), 0.0)
