"""Tonight's exploration inside tonight's limits, at the prices that the policy sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.allocation.explore import Exploration, Prices, explore
from pipeline.allocation.problem import Problem
from pipeline.allocation.solve import is_allowed
from pipeline.core.types import FloatArray
from pipeline.response.predict import Predictive

if TYPE_CHECKING:
    from pipeline.runs.decide import Facts, Models

USUAL_NOISE = 0.25**2
"""Relative variance of a line's day, where the fit says nothing of lines' own days."""


def explore_tonight(
    facts: Facts, problem: Problem, budgets: FloatArray, models: Models, rng: np.random.Generator
) -> Exploration | None:
    """Return tonight's exploration; None where there may be none.

    Args:
        budgets: (n_lines,), the best known split as far as it is to be followed.
        rng: the dice of the week.
    """
    rules = facts.policy.exploration
    if rules.max_share <= 0 or problem.guardrails:
        return None
    ahead = models.ahead
    found = explore(
        problem,
        budgets,
        models.objective.table,
        Prices(
            money_share=rules.max_share,
            cost_share=rules.max_cost_share,
            horizon_days=rules.horizon_days,
            ramp_share=facts.policy.max_daily_change,
            noise=ahead.line_variance
            if isinstance(ahead, Predictive)
            else np.full(budgets.size, USUAL_NOISE),
        ),
        rng,
        facts.explored,
    )
    return found if is_allowed(problem, found.budgets) else None
