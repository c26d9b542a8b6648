"""Budgets that are set otherwise than the plan in force says, and spent so: by hand, or not at all.

Plans go on from the plan in force, so money that people set beside it is in no plan and no total.
"""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import line_label
from pipeline.io.facts import Facts
from pipeline.io.verdict import named_lines
from pipeline.runs.inputs import Inputs
from pipeline.runs.standing import believed_budgets, current_budgets

LAG = 1.05  # times what a plan moves a line in a night: the column may be a day behind
MATERIAL = 0.01  # of the plan's money
CENT = 0.01  # a line that the plan gives nothing


def set_otherwise(facts: Facts, inputs: Inputs) -> list[Finding]:
    """Return a finding where the newest day's budgets are not those of the plan that it had.

    A column that nobody keeps up tells nothing, so the line has to spend what it says, too.

    Args:
        facts: as `current_budgets`.
    """
    plan, published = inputs.published, inputs.published_budgets()
    if plan is None or not published or plan.date > facts.days[-1]:
        return []
    asked, is_set, spent = current_budgets(facts, inputs), facts.budget[-1], facts.spend[-1]
    room = math.log(LAG * _steps(inputs, plan.date, facts.days[-1]))
    least = MATERIAL * float(asked.sum())
    known = np.array([line in published for line in facts.lines]) & believed_budgets(facts)
    known &= facts.has_spend_row[-1] & (spent > 0) & (is_set > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(np.log(is_set / np.maximum(asked, CENT)))
        to_plan = np.abs(np.log(spent / np.maximum(asked, CENT)))
        to_set = np.abs(np.log(spent / is_set))
    odd = known & (away > room) & (to_set < to_plan) & (np.abs(is_set - asked) > least)
    if not odd.any():
        return []
    worst = int(np.argmax(np.where(odd, np.abs(is_set - asked), 0.0)))
    return [
        Finding(
            level=Level.REVIEW,
            check="set-otherwise",
            message=f"spend: {named_lines(facts, odd)} had other budgets set and spent on "
            f"{facts.days[-1]} than the plan in force gives, for example "
            f"{line_label(facts.lines[worst])} {is_set[worst]:,.2f} set, {spent[worst]:,.2f} spent "
            f"and {asked[worst]:,.2f} given; plans go on from what is given",
            advice="set on the platform what the plan says; if people set it on purpose, have "
            "finance fix those budgets, so that the rest is planned around them",
            source="spend",
            column="budget",
            line=facts.lines[worst],
            value=str(int(odd.sum())),
        )
    ]


def _steps(inputs: Inputs, planned: date, newest: date) -> float:
    """Return how far, as a factor, plans alone can part the newest row from the plan in force.

    A row of a week is the mean of days, on each of which another plan may have been in force.
    """
    step = 1.0 / max(1.0 - inputs.policy.max_daily_change, 0.5)
    first = newest - timedelta(days=inputs.policy.sources.period_days - 1)
    nights = max((planned - first).days, 0) + 1
    return float(np.mean([step ** (night + 1) for night in range(nights)]))
